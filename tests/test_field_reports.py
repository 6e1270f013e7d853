"""The page of reports says what the tests hold."""

import pytest

from tests.field_reports import PAGE, Report, page, reports, reports_in


def test_page_is_what_the_tests_say():
    said = PAGE.read_text() if PAGE.exists() else page([])
    assert said == page(reports()), "python -m tests.field_reports writes the page anew"


def test_reports_are_read_from_tests_and_from_their_tables(tmp_path):
    file = tmp_path / "test_x.py"
    file.write_text(
        'CASES = [pytest.param(1, marks=reported("Texts", "a | b", sent="x", back="y"))]\n'
        '@reported("Views", "c", sent="z", back="1")\ndef test_c():\n    pass\n'
    )
    first, second = reports_in(file, tmp_path)
    assert (first.story, first.test) == ("a | b", "tests/test_x.py")
    assert (second.subject, second.test) == ("Views", "tests/test_x.py::test_c")
    assert "| a \\| b | x | y | `tests/test_x.py` |" in page([first])


@pytest.mark.reported(Report("Texts", "sample", "s", "b"))
def test_fixture_gives_what_is_reported(report):
    assert (report.sent, report.back) == ("s", "b")
