"""Code and documentation agree."""

import re
from pathlib import Path

from commands.settings import table
from machine.declare.linting.policies import CHECKS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def first_column(page):
    return set(re.findall(r"^\| `([^`]+)` \|", (DOCS / page).read_text(), re.MULTILINE))


def test_policy_page_explains_exactly_the_keys_that_exist():
    assert first_column("policy.md") == set(CHECKS)


def test_configuration_page_is_what_the_settings_say():
    assert table() in (DOCS / "configuration.md").read_text()


def test_readme_says_how_large_the_machine_is():
    """Within 5 %, so that the figure is mended when it is no longer true, not with every line."""
    said = re.search(r"a machine of ([\d,]+)\s+lines", (ROOT / "README.md").read_text())
    lines = sum(len(path.read_text().splitlines()) for path in (ROOT / "machine").rglob("*.py"))
    assert abs(lines / int(said[1].replace(",", "")) - 1) < 0.05, lines


def test_what_contributing_says_to_open_is_there():
    table = (ROOT / "CONTRIBUTING.md").read_text().split("| I want to … | open |")[1].split("\n\n")[0]
    named = re.findall(r"`([\w/]+(?:\.py|/))`", table)
    assert len(named) >= 10
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_word_of_the_request_page_leads_to_a_file():
    """A path in the page is a file; a bare name of a file is one somewhere in the folders that it tells of."""
    names = re.findall(r"`([\w/]+\.py)`", (DOCS / "how-a-request-runs.md").read_text())
    files = {
        str(path.relative_to(ROOT))
        for folder in ("machine", "features", "clients", "hooks", "tasks")
        for path in (ROOT / folder).rglob("*.py")
    } | {"assembly.py"}
    lost = [name for name in names if not any(f"/{file}".endswith(f"/{name}") for file in files)]
    assert names and lost == []


def test_every_dependency_of_a_deployment_is_explained_in_its_version():
    pins = re.findall(r"^([\w\[\]-]+)(?:==(\S+))?$", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    rows = dict(
        re.findall(
            r"^\| `([\w\[\]-]+)` \| ([\w.]+) \| [^|]+ \| [\d.]+ \|",
            (DOCS / "dependencies.md").read_text(),
            re.M,
        )
    )
    assert set(rows) == {name for name, _ in pins}
    assert {name: rows[name] for name, version in pins if version} == {n: v for n, v in pins if v}
