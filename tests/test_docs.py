"""Code and documentation agree."""

import re
from pathlib import Path

from commands.settings import table
from machine.declare.linting.policies import CHECKS

DOCS = Path(__file__).parent.parent / "docs"


def first_column(page):
    return set(re.findall(r"^\| `([^`]+)` \|", (DOCS / page).read_text(), re.MULTILINE))


def test_policy_page_explains_exactly_the_keys_that_exist():
    assert first_column("policy.md") == set(CHECKS)


def test_configuration_page_is_what_the_settings_say():
    assert table() in (DOCS / "configuration.md").read_text()
