"""The audit of the dependencies fails on what nobody answered, and on answers to nothing."""

import pytest
from packaging.version import Version

from tests.attacks import advisories

PAGE = """
## Answers

| package | advisory | why it stands | reviewed |
|---|---|---|---|
| `flask` | `CVE-2030-2` | the feature that it is about is never switched on | 2026-01-31 |

## Elsewhere
"""


def report(*flaws, skipped=()):
    """Return what pip-audit writes about flask with these (id, aliases), and packages it did not find."""
    found = [{"id": id_, "fix_versions": [], "aliases": aliases, "description": ""} for id_, aliases in flaws]
    return {
        "dependencies": [
            {"name": "Flask", "version": "3.1.3", "vulns": found},
            {"name": "click", "version": "8.5.1", "vulns": []},
            *({"name": name, "skip_reason": "not found"} for name in skipped),
        ],
        "fixes": [],
    }


def told(page, *flaws, skipped=()):
    audit = advisories.Audit().read(report(*flaws, skipped=skipped))
    return advisories.complaints(audit, advisories.answers(page))


def test_advisory_without_an_answer_fails():
    assert told("", ("PYSEC-2030-1", ["CVE-2030-1"])) == ["flask PYSEC-2030-1: has no answer"]


def test_answer_counts_under_each_name_of_its_advisory():
    assert told(PAGE, ("CVE-2030-2", [])) == []
    assert told(PAGE, ("PYSEC-2030-2", ["GHSA-2", "CVE-2030-2"])) == []


def test_answer_to_one_advisory_is_none_to_another():
    found = told(PAGE, ("PYSEC-2030-2", ["CVE-2030-2"]), ("PYSEC-2030-1", ["CVE-2030-1"]))
    assert found == ["flask PYSEC-2030-1: has no answer"]


def test_answer_to_another_package_does_not_count():
    found = told(PAGE.replace("flask", "click"), ("PYSEC-2030-2", ["CVE-2030-2"]))
    assert found == ["flask PYSEC-2030-2: has no answer", "click CVE-2030-2: answers nothing any more"]


def test_answer_that_answers_nothing_any_more_fails():
    assert told(PAGE) == ["flask CVE-2030-2: answers nothing any more"]


def test_package_that_was_not_looked_up_fails():
    assert told("", skipped=["eve"]) == ["eve: not looked up: not found"]


def test_audit_that_looked_nothing_up_fails():
    nothing = {"dependencies": [{"name": "eve", "skip_reason": "no way out"}], "fixes": []}
    audit = advisories.Audit().read(nothing)
    assert advisories.complaints(audit, set()) == ["nothing could be looked up: no way out"]
    assert advisories.complaints(advisories.Audit(), set())


def test_no_answer_is_called_stale_where_not_all_was_looked_up():
    assert told(PAGE, skipped=["eve"]) == ["eve: not looked up: not found"]


@pytest.mark.parametrize(
    ("was", "is_"),
    [("2026-01-31", ""), ("2026-01-31", "lately"), ("2026-01-31", "9999-01-01"), ("never switched on", "")],
)
def test_answer_without_reason_or_date_of_review_is_refused(was, is_):
    page = PAGE.replace("the feature that it is about is ", "") if not was[0].isdigit() else PAGE
    with pytest.raises(ValueError, match=r".+"):
        advisories.answers(page.replace(was, is_))


def test_answers_of_the_project_have_reasons_and_dates():
    page = advisories.PAGE.read_text()
    assert "\n## Answers\n" in page
    advisories.answers(page)


def test_every_lock_file_is_audited():
    tracked = {
        str(file.relative_to(advisories.ROOT))
        for folder in ("", "dev", "docker", "tests", "tests/tools", "bench")
        for file in (advisories.ROOT / folder).glob("*requirements*.txt")
    }
    assert tracked == set(advisories.PINS)


def test_no_pin_is_older_than_the_version_that_mended_what_was_known():
    mended = {row[0]: Version(row[1]) for row in advisories.table(advisories.PAGE.read_text(), "Mended")}
    pinned = advisories.pins()
    assert set(mended) <= {name for _, name, _ in pinned}
    assert [one for one in pinned if Version(one[2]) < mended.get(one[1], Version("0"))] == []
