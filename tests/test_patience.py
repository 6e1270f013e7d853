"""Deadlines follow the speed of the machine: as it is now, as what runs behind everybody else meets it."""

import os
import re
import subprocess
import sys
import time

import pytest

from tests.patience import MOST, REFERENCE, STATE, YARDSTICK, Deadline, Yardstick, patience, wait_until
from tests.plan import HERE, families_of

LOOK = (
    "from tests.patience import YARDSTICK; print(YARDSTICK.factor(), YARDSTICK.process.pid, YARDSTICK.path)"
)


class Running:
    """Stands for a process that runs."""

    def poll(self):
        return None


@pytest.fixture
def stick(tmp_path):
    """A yardstick whose process is us."""
    stick = Yardstick()
    stick.process = Running()
    stick.file = os.open(tmp_path / "state", os.O_RDWR | os.O_CREAT)
    yield stick
    os.close(stick.file)


@pytest.mark.parametrize(
    ("began", "slowest", "factor"),
    [
        (None, REFERENCE / 2, 1),  # a quicker machine makes no deadline shorter
        (None, 4 * REFERENCE, 4),
        (10 * REFERENCE, 4 * REFERENCE, 10),  # a turn that still lasts
        (3600, REFERENCE, MOST),
    ],
)
def test_machine_is_as_slow_as_the_slowest_of_the_last_turns(stick, began, slowest, factor):
    os.pwrite(stick.file, STATE.pack(time.monotonic() - began if began else 0, slowest, 1), 0)
    assert stick.factor() == pytest.approx(factor, rel=0.5) and 1 <= stick.factor() <= MOST


@pytest.fixture
def slow(monkeypatch):
    """Return a function that makes the machine so much slower."""
    return lambda factor: monkeypatch.setattr(YARDSTICK, "factor", lambda: factor)


def test_second_of_a_slow_machine_counts_less(slow, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    slow(10)
    assert patience(3) == 30
    deadline = Deadline(3)
    now[0] += 25
    assert not deadline.over()
    slow(1)  # it has become quick: half a second is left
    now[0] += 0.4
    assert not deadline.over()
    now[0] += 0.2
    assert deadline.over()


def test_what_never_comes_fails_with_what_was_seen(slow):
    slow(1)
    with pytest.raises(AssertionError, match="still 3"):
        wait_until(lambda: 0, 0.05, lambda: "still 3", pause=0.01)
    assert wait_until(lambda: "here", 0) == "here"


def test_yardstick_measures_and_ends_with_whom_it_measures_for():
    look = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    factor, pid, path = look.stdout.split()
    assert 1 <= float(factor) <= MOST
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 10)
    assert not os.path.exists(path)


BY_HAND = re.compile(r"monotonic\(\) \+|\btimeout=\d|\.wait\(\d\d|monotonic\(\) - \w+ < \d")
PATIENT = [path for path in HERE.rglob("*.py") if "process" in families_of(path.relative_to(HERE).as_posix())]
# Run outside of pytest, by a client of another's making or as a part of a platform.
OUTSIDE = {"programs/journey.py", "faults/pipeline_proxy.py"}


@pytest.mark.parametrize("file", sorted(path.relative_to(HERE).as_posix() for path in PATIENT))
def test_waits_for_processes_follow_the_speed_of_the_machine(file):
    lines = enumerate((HERE / file).read_text().splitlines(), 1)
    found = [f"{number}: {line.strip()}" for number, line in lines if BY_HAND.search(line)]
    assert file in OUTSIDE or found == []
