"""The report of a run as Markdown: a table per group, a row per promise."""

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from tests.prove.runner import ROOT, group_of, names

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
            lines += section(title, mine)
    return "\n".join(lines).rstrip() + "\n"


def section(title, rows, said=()):
    """Return the lines of a group; `said` stands above its table."""
    return [f"## {title}", "", *said, *HEAD, *(line(row) for row in rows), "", *notes(rows)]


def renewed(text, results, commit):
    """Return a report with the rows of these promises renewed.

    A group that was tried whole is written anew, so that what is called otherwise now leaves the page; of another group
    each row takes the place of the one that says the same, or stands behind the last.
    """
    lines = text.splitlines()
    for group, title in TITLES.items():
        tried = {name: rows for name, rows, _ in results if group_of(name) == group}
        rows = [row for found in tried.values() for row in found]
        if not rows:
            continue
        begin = lines.index(f"## {title}")
        end = next((n for n in range(begin + 1, len(lines)) if lines[n].startswith("## ")), len(lines))
        if set(tried) == {name for name in names() if group_of(name) == group}:
            said = f"Tried again at {commit}, {datetime.now(UTC):%Y-%m-%d}, as a whole."
            lines[begin:end] = section(title, rows, [said, ""])
        else:
            lines[begin:end] = replaced(lines[begin:end], rows)
            place = next(n for n, one in enumerate(lines) if one.endswith(" not tried.")) - 1
            lines[place:place] = [f"Tried again at {commit}: {'; '.join(row.promise for row in rows)}."]
    ends = [one.rsplit("|", 2)[1].strip() for one in lines if one.startswith("| ")]
    verdicts = [end for end in ends if end in ("holds", "BROKEN", "not tried")]
    place = next(n for n, one in enumerate(lines) if one.endswith(" not tried."))
    lines[place] = summary(len(verdicts), verdicts.count("BROKEN"), verdicts.count("not tried"))
    return "\n".join(lines).rstrip() + "\n"


def replaced(lines, rows):
    """Return the lines of a group with these rows in the place of those of the same promises, or behind the last."""
    for row in rows:
        lines = [one for one in lines if not one.startswith(f"- {row.promise}: ")]
        places = [n for n, one in enumerate(lines) if one.startswith(f"| {row.promise} |")]
        behind = 1 + max(n for n, one in enumerate(lines) if one.startswith("|"))
        place = places[0] if places else behind
        lines[place : place + len(places)] = [line(row)]
        if row.notes:
            behind = 1 + max(n for n, one in enumerate(lines) if one.startswith("|"))
            lines[behind:behind] = ["", f"- {row.promise}: {row.notes}"]
    return lines


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
