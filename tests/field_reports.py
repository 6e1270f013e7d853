"""Reports from the field, each held by a test; `python -m tests.field_reports` writes the page that tells of them.

    @reported("Texts", "A title of spaces was taken", sent='{"title": "   "}', back="422 `title`: nothing to be seen")
    def test_...

`sent` and `back` are what the test sends and holds, in the words of the API; a test may ask for the fixture `report`
and take them from there, so that page and test cannot differ.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# What is installed there is not ours.
FOREIGN = ("node", "tools")
PAGE = HERE.parent / "docs" / "field-reports.md"
# The order of the page.
SUBJECTS = ("Notices", "Texts", "Search", "Signing in", "Dates, headers, forms", "Media", "Views")
INTRO = """\
# Reports from the field

What people reported about video platforms, comment systems, sign-in and REST frameworks, tried here. Each row is what
somebody sends and what comes back, and is held by the test that it names; this page is written from those tests by
`python -m tests.field_reports`.
"""


@dataclass(frozen=True)
class Report:
    """One report: its subject, what was reported, what is sent, and what comes back; `test` is where it is held."""

    subject: str
    story: str
    sent: str
    back: str
    test: str = ""


def reported(subject, story, *, sent, back):
    """Mark a test as the one that holds a report; all four are literals, since the page is read from the source."""
    return pytest.mark.reported(Report(subject, story, sent, back))


@pytest.fixture
def report(request):
    """Return the report that the running test holds."""
    (found,) = request.node.get_closest_marker("reported").args
    return found


def reports(folder=HERE):
    """Return all reports, in the order of the page: read from the source, so that nothing is imported."""
    rooms = [folder, *(one for one in folder.iterdir() if one.is_dir() and one.name not in FOREIGN)]
    files = [file for room in rooms for file in room.glob("test_*.py" if room == folder else "**/test_*.py")]
    found = [
        one for file in sorted(files) if "reported(" in file.read_text() for one in reports_in(file, folder)
    ]
    return sorted(found, key=lambda one: SUBJECTS.index(one.subject))


def reports_in(file, folder):
    """Yield the reports of a file, those in tables of tests included (`pytest.param(…, marks=reported(…))`)."""
    source = file.read_text()
    for holder in ast.parse(source).body:
        for call in ast.walk(holder):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "reported":
                words = [ast.literal_eval(one) for one in call.args]
                named = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
                place = f"tests/{file.relative_to(folder).as_posix()}"
                name = getattr(holder, "name", "")
                yield Report(*words, **named, test=f"{place}::{name}" if name else place)


def page(found):
    """Return the page as Markdown, a table per subject."""
    lines = [INTRO]
    for subject in SUBJECTS:
        mine = [one for one in found if one.subject == subject]
        if mine:
            lines += [f"## {subject}", "", "| reported | sent | comes back | held by |", "|---|---|---|---|"]
            lines += [row(one) for one in mine] + [""]
    return "\n".join(lines).rstrip() + "\n"


def row(one):
    """Return one line of a table."""
    cells = (one.story, one.sent, one.back, f"`{one.test}`")
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(reports()))
