"""Which families a test belongs to, by where it lies, and which files share a process when several run side by side.

A marker means one thing, and is given here. The parts of CI (`make test`, `make test-faults` …) are made of them;
tests/test_plan.py holds that each test is in just one part.
"""

from pathlib import Path

import pytest
import pytest_timeout
from xdist.scheduler import LoadScopeScheduling

from tests.patience import patience

HERE = Path(__file__).parent
# family: the files and folders of tests/ that belong to it
FAMILIES = {
    "process": (
        "attacks/test_audit.py", "attacks/test_canaries.py", "attacks/test_capabilities.py",
        "clients/test_media.py", "cloudinary_local", "commands/test_cli.py", "dev/test_crashes.py",
        "dev/test_make.py", "dev/test_newcomer.py", "dev/test_supervisor.py", "docker/test_nginx.py",
        "docker/test_replica_set.py", "docker/test_serve.py", "docker/test_smuggling.py",
        "docker/test_streams.py", "faults", "features/engagement/test_crashes.py",
        "features/notices/test_kills.py", "features/operation/test_docs_journey.py",
        "features/uploads/test_lifecycle.py", "features/uploads/test_reconcile.py", "load",
        "machine/http/test_outage.py", "programs", "prove/test_quick.py", "test_journey.py",
    ),
    "fault": (
        "attacks/test_canaries.py", "cloudinary_local/test_crashes.py", "dev/test_crashes.py",
        "dev/test_supervisor.py", "docker/test_replica_set.py", "docker/test_smuggling.py",
        "faults/test_pipeline_kills.py", "faults/test_pipeline_media.py", "faults/test_pipeline_storm.py",
        "faults/test_pipeline_ways.py", "features/engagement/test_crashes.py",
        "features/notices/test_kills.py", "load",
        "machine/http/test_outage.py",
    ),
    "promise": ("prove/test_quick.py",),
    "fuzz": ("attacks/test_fuzz.py", "programs/test_fuzz.py"),
    "matrix": (
        "attacks/test_credentials.py", "attacks/test_junk.py", "attacks/test_limits.py",
        "attacks/test_mass_assignment.py", "attacks/test_scopes.py", "attacks/test_scopes_writes.py",
        "attacks/test_url_map.py", "features/identity/test_endings.py", "features/identity/test_erasure.py",
        "machine/access/test_references.py", "machine/declare/test_restated.py",
        "machine/read/test_queries.py", "machine/write/test_moves.py", "machine/write/test_parent_races.py",
    ),
    "slow": ("attacks/test_bombs.py", "machine/access/test_rate_limits.py"),
    "timing": (
        "attacks/test_patterns.py", "bench/test_guard.py", "features/identity/test_enumeration.py",
        "machine/read/test_walk.py",
    ),
}  # fmt: skip
# Files that share a running platform, or whatever else one of them started, stay in one process.
TOGETHER = ("programs",)
# What waits for others begins first, so that what only computes fills the gaps.
FIRST = ("promise", "fault", "fuzz", "process")

# Whose time limit follows the speed of the machine.
PATIENT = ("process", "browser", "timing")


def families_of(path):
    """Return the families of a file, given relative to tests/."""
    return [name for name, places in FAMILIES.items() if any(lies_in(path, place) for place in places)]


def lies_in(path, place):
    return path == place or path.startswith(f"{place}/")


def families_at(path):
    """Return the families of a test by the path of its file."""
    return families_of(path.relative_to(HERE).as_posix()) if path.is_relative_to(HERE) else []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Give each test the markers of its families, and put those that wait first, each file in one piece."""
    for item in items:
        for name in families_at(item.path):
            item.add_marker(name)
    items.sort(key=rank)


def rank(item):
    """Return the place of a test's file in the order; within one all stays as it stands."""
    ranks = [FIRST.index(name) for name in families_at(item.path) if name in FIRST]
    return min(ranks, default=len(FIRST))


class ByFile(LoadScopeScheduling):
    """Hands out whole files, in the order of the collection, since an application is made for each file."""

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0].removeprefix("tests/")
        return next((place for place in TOGETHER if lies_in(file, place)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Let pytest-xdist deal by files."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_timeout_set_timer(item, settings):
    """Be as patient with a test of processes as it is itself; a hang still ends."""
    if not any(item.get_closest_marker(name) for name in PATIENT):
        return None
    return pytest_timeout.pytest_timeout_set_timer(
        item, settings._replace(timeout=patience(2 * settings.timeout))
    )
