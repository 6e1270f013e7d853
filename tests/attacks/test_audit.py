"""Whatever bandit finds in our code, and pip-audit in our dependencies, has an answer in writing."""

import re

import pytest

from tests.attacks import advisories, audit

pytestmark = [
    pytest.mark.skipif(not (audit.TOOLS / "bandit").exists(), reason="`make test` makes tests/tools/.venv"),
]


@pytest.fixture(scope="module")
def found():
    findings, files = audit.findings()
    assert files > 200
    return findings, files


def test_every_finding_of_bandit_is_answered(found, record_property):
    known, (findings, files) = audit.answers(), found
    record_property("files", files)
    record_property("findings", len(findings))
    assert {one for one in findings if not audit.answer_to(one, known)} == set()


def test_no_answer_outlives_its_finding(found):
    known = audit.answers()
    used = {(rule, audit.answer_to((rule, file), known)) for rule, file in found[0]}
    assert set(known) == used
    assert all(len(reason) > 20 for reason in known.values())


def test_nothing_is_hidden_from_bandit_in_the_source():
    """An answer stands in the table, where it is read, and not in a comment that silences the tool."""
    for source in audit.SOURCES:
        path = audit.ROOT / source
        for file in [path] if path.is_file() else path.rglob("*.py"):
            if ".venv" not in file.parts:
                assert not re.search(r"#\s*nosec", file.read_text()), file


def test_no_dependency_has_a_known_flaw_without_an_answer():
    asked = advisories.ask()
    if not asked.looked_up:
        why = next(iter(asked.skipped.values()))
        pytest.skip(f"the advisory service cannot be asked from here: {why}; try `make audit` where it can")
    assert advisories.complaints(asked, advisories.answers(advisories.PAGE.read_text())) == []
