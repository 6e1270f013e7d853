"""The report of a run as Markdown: a table per group, a row per promise."""

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from tests.prove.runner import ROOT, group_of

TITLES = {
    "faults": "Faults",
    "races": "Races",
    "upgrade": "Upgrade",
    "load": "Load",
    "attacks": "Attacks",
}
HEAD = ["| promise | what was done | times | lost | figure | |", "|---|---|---:|---:|---|---|"]
INTRO = """\
Each row is a promise of this platform, and what was done to break it: against real processes, real MongoDB, Valkey and
ffmpeg, and the local Cloudinary. "Lost" counts what was acknowledged and is gone, or what is wrong afterwards: it must
be 0.

    make prove          all of it, written to this page; exit status 1 if a promise is broken
    make prove-quick    the short form; CI runs it as `make test-promises`. The report is in tests/prove/out/
    python -m tests.prove --list
    python -m tests.prove --only load_knee --soak 30    one of them; half an hour at 80 % of the knee
    python -m tests.prove --only load_knee --again      the same, and its rows replace those on this page
"""


def markdown(results, quick, seconds, commit, soak=None):
    """Return the report; `results` are (name, rows, seconds), `soak` minutes of steady load, where they were chosen."""
    rows = [row for _, found, _ in results for row in found]
    broken = sum(row.ok is False for row in rows)
    lines = ["# Reliability", "", INTRO, about(quick, seconds, commit, soak), ""]
    lines += [summary(len(rows), broken, sum(row.ok is None for row in rows)), ""]
    for group, title in TITLES.items():
        mine = [row for name, found, _ in results if group_of(name) == group for row in found]
        if mine:
            lines += [f"## {title}", "", *HEAD, *(line(row) for row in mine), "", *notes(mine)]
    return "\n".join(lines).rstrip() + "\n"


def renewed(text, rows, commit):
    """Return a report with these rows in the place of what it said of the same promises."""
    lines = text.splitlines()
    for row in rows:
        (place,) = [n for n, one in enumerate(lines) if one.startswith(f"| {row.promise} |")]
        lines[place] = line(row)
        lines = [one for one in lines if not one.startswith(f"- {row.promise}: ")]
        if row.notes:
            behind = next(n for n in range(place, len(lines)) if not lines[n].startswith("|"))
            lines[behind:behind] = ["", f"- {row.promise}: {row.notes}"]
    ends = [one.rsplit("|", 2)[1].strip() for one in lines if one.startswith("| ")]
    verdicts = [end for end in ends if end in ("holds", "BROKEN", "not tried")]
    (place,) = [n for n, one in enumerate(lines) if one.endswith(" not tried.")]
    lines[place] = summary(len(verdicts), verdicts.count("BROKEN"), verdicts.count("not tried"))
    lines[place - 1 : place - 1] = [f"Tried again at {commit}: {'; '.join(row.promise for row in rows)}."]
    return "\n".join(lines) + "\n"


def summary(total, broken, untried):
    """Say how the promises fared."""
    return f"{total} promises, {broken} broken, {untried} not tried."


def about(quick, seconds, commit, soak):
    """Say what ran where."""
    form = "The short form" if quick else "The full form"
    memory = next(
        int(one.split()[1])
        for one in Path("/proc/meminfo").read_text().splitlines()
        if one.startswith("MemTotal")
    )
    cores = len(
        [one for one in Path("/proc/cpuinfo").read_text().splitlines() if one.startswith("processor")]
    )
    steady = f", {soak:g} of them under steady load," if soak else ""
    return (
        f"{form}, {datetime.now(UTC):%Y-%m-%d}, at {commit}: {seconds / 60:.1f} minutes{steady} on {cores} cores and "
        f"{memory / 1024**2:.0f} GiB, {platform.system()} {platform.machine()}, Python {platform.python_version()}."
    )


def commit():
    """Return the short name of the commit that was tried."""
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "an unknown commit"


def line(row):
    """Return one row of the table."""
    cells = (row.promise, row.done, f"{row.times:,}", f"{row.lost:,}", row.figure, row.verdict)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def notes(rows):
    """Return what is to be said about rows, below their table."""
    said = [f"- {row.promise}: {row.notes}" for row in rows if row.notes]
    return [*said, ""] if said else []
