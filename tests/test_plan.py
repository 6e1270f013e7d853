"""CI runs each test once: by one of its parts, which are made of the families of tests/plan.py."""

import os
import re
import shutil
import subprocess
from itertools import chain, combinations
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from tests.plan import FAMILIES, HERE, families_of, lies_in

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
CI = (ROOT / ".ci" / "run").read_text()
PARTS = re.search(r"^parts=\((.*)\)$", CI, re.MULTILINE)[1].split()
EXPRESSIONS = dict(
    re.findall(r"^([\w-]+): .*\n\t@\$\(PY\) -m pytest.* -m \"(.*)\" \$\(ARGS\)$", MAKEFILE, re.MULTILINE)
)
FILES = sorted(path.relative_to(HERE).as_posix() for path in HERE.rglob("test_*.py"))
# What a test may be besides the families of its file: a mark at one function.
BY_HAND = ("slow", "browser", "matrix")


def parts_of(marks):
    """Return the parts of CI that run a test with these marks."""
    return [
        part
        for part in PARTS
        if Expression.compile(EXPRESSIONS[part]).evaluate(lambda name, **_: name in marks)
    ]


@pytest.mark.parametrize("file", FILES)
def test_every_test_is_in_just_one_part(file):
    more = chain.from_iterable(combinations(BY_HAND, count) for count in range(len(BY_HAND) + 1))
    assert {len(parts_of({*families_of(file), *marks})) for marks in more} == {1}


def test_every_place_of_the_plan_is_there_and_in_a_family_once():
    for places in FAMILIES.values():
        assert sorted(set(places)) == list(places)
        for place in places:
            assert (HERE / place).exists(), place
            assert not any(lies_in(place, other) for other in places if other != place), place


def test_what_kills_or_makes_up_is_never_quick():
    quick = Expression.compile(EXPRESSIONS["test-quick"])
    for family in FAMILIES:
        files = [file for file in FILES if family in families_of(file)]
        assert files
        assert not any(quick.evaluate(lambda name, **_: name in families_of(file)) for file in files), family  # noqa: B023


MADE = """#!/bin/sh
case "$1" in
  test) echo '===== 3 failed, 7 passed, 2 skipped, 9 deselected in 61.50s (0:01:01) ====='
        echo 'make: *** [Makefile:45: test] Error 1'; exit 2;;
  test-timing) echo 'make: *** [Makefile:50: test-timing] Error 5'; exit 2;;
  test-faults) echo '=== 1 passed, 2 errors in 1.00s ==='; exit 2;;
  *) echo '====== 10 passed in 0.50s ======';;
esac
"""


@pytest.mark.parametrize(
    ("fails", "line", "status"),
    [
        (True, " 3 failed, 28 passed, 2 skipped, 3 errors in 63.50s (0:01:03) ", 1),
        (False, " 50 passed in 2.50s (0:00:02) ", 0),
    ],
)
def test_ci_runs_all_parts_and_closes_with_their_sum(tmp_path, fails, line, status):
    """Whatever fails, the parts behind it run; those that failed are named, and the status is of the first."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    commands = {"make": MADE if fails else MADE.replace("case", "exec echo '== 10 passed in 0.50s =='; case", 1),
                "dpkg-query": "#!/bin/sh\nprintf installed\n", "npm": "#!/bin/sh\n"}  # fmt: skip
    for name, text in commands.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    answer = subprocess.run(
        ["bash", tmp_path / ".ci" / "run"], env=environ, capture_output=True, text=True, timeout=60
    )
    said = answer.stdout.splitlines()
    assert answer.returncode == status, answer.stderr
    assert said[-1].strip("=") == line and re.fullmatch(r"=+ .* =+", said[-1]) and len(said[-1]) >= 80
    named = [one for one in said if one.startswith("failed: ")]
    assert named == ([f"failed: make {part}" for part in PARTS[:3]] if fails else [])
    assert [one for one in said if one.startswith("==> ")] == [f"==> make {part}" for part in PARTS]
