"""Turns tests of attacks into rows of the report: runs them in the long form and counts what was tried."""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.prove.row import Row

ROOT = Path(__file__).resolve().parents[2]


def kept(promise, done, files, *, unit, figure="", **environ):
    """Run test files and return the row that they make.

    `times` is the sum of what tests recorded as `tried`, or else the number of tests; `figure` may name what they
    recorded otherwise, such as `{megabytes:.0f} MB`: the largest of each.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "--show-capture=no", f"--junitxml={report}",
                   "-o", "junit_family=xunit1", *files]  # fmt: skip
        done_run = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True
        )
        print(done_run.stdout[-4000:])
        if not report.exists():
            return Row(promise, done, 0, 0, "", False, done_run.stdout[-300:])
        cases = list(ET.parse(report).getroot().iter("testcase"))
    return row_of(promise, done, cases, unit, figure)


def row_of(promise, done, cases, unit, figure):
    failed = [
        case.get("name")
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    skipped = [case.find("skipped").get("message") for case in cases if case.find("skipped") is not None]
    recorded = {}
    for case in cases:
        for one in case.iter("property"):
            recorded.setdefault(one.get("name"), []).append(float(one.get("value")))
    tried = int(sum(recorded.pop("tried", [len(cases) - len(skipped)])))
    told = (
        figure.format(**{name: max(values) for name, values in recorded.items()})
        if recorded and figure
        else ""
    )
    notes = "; ".join(["broken: " + ", ".join(failed[:5])] * bool(failed) + sorted(set(skipped))[:2])
    ok = None if len(skipped) == len(cases) else not failed
    return Row(
        promise, done, tried, len(failed), ", ".join(filter(None, [f"{tried} {unit}", told])), ok, notes
    )
