"""Writes the tables and the drawing of the last report into docs/performance.md: nobody copies figures by hand."""

import re
import shutil
from pathlib import Path

from bench import report
from bench.targets import judge
from dev.child import ROOT

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "pictures" / "performance.svg"


class NoReport(Exception):
    """There is nothing to publish, or no place for it."""


def publish(folder: Path, page: Path = PAGE, picture: Path = PICTURE) -> Path:
    """Replace what stands between the marks `<!-- measured: NAME -->` and `<!-- end -->`; return the page."""
    if not (folder / "report.json").exists():
        raise NoReport(f"There is no report in {folder}: run `make bench` first.")
    rows, about = report.read(folder)
    blocks = {
        "conditions": report.conditions(about),
        "rates": report.matrix(rows),
        "targets": report.table_of_targets(judge(rows)),
        "also": report.also_measured(about),
    }
    text = page.read_text()
    for name, lines in blocks.items():
        text = fill(text, name, lines)
    page.write_text(text)
    shutil.copyfile(folder / "report.svg", picture)
    return page


def fill(text: str, name: str, lines: list[str]) -> str:
    """Return the page with a block between its marks."""
    marks = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    body = "\n".join(lines) + "\n"
    filled, count = marks.subn(lambda found: f"{found[1]}{body}{found[2]}", text)
    if count != 1:
        raise NoReport(f"The page has {count} places for {name!r}, not one.")
    return filled
