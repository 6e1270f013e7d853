"""Writes the tables and the drawing of the last report into docs/performance.md: nobody copies figures by hand."""

import json
import re
import shutil
from pathlib import Path

from bench import report
from bench.targets import judge
from dev.child import ROOT

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "pictures" / "performance.svg"
DECISION = ROOT / "docs" / "decisions" / "server.md"


class NoReport(Exception):
    """There is nothing to publish, or no place for it."""


def publish(folder: Path, page: Path = PAGE, picture: Path = PICTURE, decision: Path = DECISION) -> Path:
    """Replace what stands between the marks `<!-- measured: NAME -->` and `<!-- end -->`; return the page."""
    if not (folder / "report.json").exists():
        raise NoReport(f"There is no report in {folder}: run `make bench` first.")
    rows, about = report.read(folder)
    blocks = {
        "conditions": report.conditions(about),
        "rates": report.matrix(rows),
        "targets": report.table_of_targets(judge(rows)),
        "also": [*report.also_measured(about), "", *report.not_measured(about)],
    }
    text = page.read_text()
    for name, lines in blocks.items():
        text = fill(text, name, lines)
    page.write_text(text)
    publish_servers(folder / "wsgi_servers.json", decision)
    shutil.copyfile(folder / "report.svg", picture)
    return page


def publish_servers(file: Path, page: Path) -> None:
    """Put the table of the servers into the decision about them, if they were measured."""
    if file.exists():
        found = json.loads(file.read_text())
        about = found["about"]
        said = f"{about['rounds']} rounds of {about['seconds']:g} s, in turns, two processes each. "
        lines = [said + report.unrest(about["noise"]), "", *report.table_of_servers(found["rows"])]
        page.write_text(fill(page.read_text(), "servers", lines))


def fill(text: str, name: str, lines: list[str]) -> str:
    """Return the page with a block between its marks."""
    marks = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    body = "\n".join(lines).rstrip() + "\n"
    filled, count = marks.subn(lambda found: f"{found[1]}{body}{found[2]}", text)
    if count != 1:
        raise NoReport(f"The page has {count} places for {name!r}, not one.")
    return filled
