"""The report says what came of each promise, and the runner fails when one is broken."""

import subprocess
import sys
from dataclasses import replace

from tests.prove import report, runner
from tests.prove.one import try_promise
from tests.prove.row import Row

KEPT = Row("Nothing is lost", "kill | kill", 3, 0, "1.2 s", True)


def test_each_row_shows_what_was_done_and_its_verdict():
    rows = [KEPT, replace(KEPT, lost=2, ok=False, notes="two likes are gone"), replace(KEPT, ok=None)]
    text = report.markdown([("faults_x", rows, 1.0)], True, 60, "0abc")
    assert "| Nothing is lost | kill \\| kill | 3 | 0 | 1.2 s | holds |" in text
    assert "| 3 | 2 | 1.2 s | BROKEN |" in text and "two likes are gone" in text
    assert "3 promises, 1 broken, 1 not tried" in text and ": 1.0 minutes on " in text
    assert ": 1.0 minutes, 30 of them under steady load, on " in report.markdown([], False, 60, "0abc", 30.0)


def test_promise_that_was_tried_again_takes_the_place_of_its_row():
    broken = replace(KEPT, promise="The disk is full", ok=False, notes="no answer")
    text = report.markdown([("faults_x", [KEPT, broken], 1.0)], False, 60, "0abc")
    again = report.renewed(
        text, [("faults_x", [replace(broken, ok=True, notes="", figure="2.5 s")], 1.0)], "1def"
    )
    assert (
        "2 promises, 0 broken, 0 not tried." in again and "no answer" not in again and "BROKEN" not in again
    )
    assert "| The disk is full | kill \\| kill | 3 | 0 | 2.5 s | holds |" in again
    assert "Tried again at 1def: The disk is full." in again and "at 0abc" in again
    worse = report.renewed(again, [("faults_x", [replace(KEPT, ok=False, notes="lost one")], 1.0)], "2abc")
    assert "2 promises, 1 broken" in worse and "- Nothing is lost: lost one" in worse
    more = report.renewed(worse, [("faults_y", [replace(KEPT, promise="A new one")], 1.0)], "3abc")
    assert more.index("| Nothing is lost |") < more.index("| A new one |") and "3 promises, 1 broken" in more


def test_group_that_was_tried_whole_is_written_anew(monkeypatch):
    monkeypatch.setattr(report, "names", lambda: ["faults_x", "faults_y", "load_x"])
    load = replace(KEPT, promise="It is fast")
    text = report.markdown([("faults_x", [KEPT], 1.0), ("load_x", [load], 1.0)], False, 60, "0abc")
    renamed = [replace(KEPT, promise=name) for name in ("Nothing is gone", "Nothing comes twice")]
    again = report.renewed(text, [("faults_x", renamed[:1], 1.0), ("faults_y", renamed[1:], 1.0)], "1def")
    assert "Nothing is lost" not in again and again.count("Tried again at 1def") == 1
    assert (
        again.index("| Nothing is gone |") < again.index("| Nothing comes twice |") < again.index("## Load")
    )
    assert "3 promises, 0 broken, 0 not tried." in again and "| It is fast |" in again


def test_promise_that_ends_in_an_error_is_broken(monkeypatch, capsys):
    module = type(sys)("tests.prove.promises.faults_x", "It holds.")
    module.run = lambda quick: 1 / 0
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (row,) = try_promise("faults_x", True)
    assert row.ok is False and "ZeroDivisionError" in row.notes


def test_promise_that_hangs_is_ended_and_said_to_be_broken():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert runner.wait(process, 0.2) == "not done after 0.2 s"


def test_unknown_promise_is_refused():
    asked = [sys.executable, "-m", "tests.prove", "--only", "nothing"]
    assert subprocess.run(asked, cwd=runner.ROOT, capture_output=True, check=False).returncode == 1
