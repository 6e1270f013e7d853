"""What the pages for operators name exists."""

import ast
import re

import pytest
from prometheus_client import REGISTRY

from settings import Settings
from tests.docker.conftest import ROOT

DOCS = ROOT / "docs"
PAGES = ("deploying.md", "operating.md", "scaling.md", "security.md")


def functions_of(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES)
def test_tests_that_are_named_exist(page):
    named = re.findall(r"`(tests/[\w/.]+\.py)(?:::(\w+))?`", (DOCS / page).read_text())
    for file, name in named:
        assert (ROOT / file).exists(), file
        assert not name or name in functions_of(ROOT / file), f"{file}::{name}"
    assert named or page != "security.md"


def test_every_risk_of_the_list_has_its_test():
    rows = re.findall(r"^\| (API\d+) .*\| (.+) \|$", (DOCS / "security.md").read_text(), re.M)
    assert [name for name, _ in rows] == [f"API{number}" for number in range(1, 11)]
    assert all("::test_" in tests for _, tests in rows)


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_files_that_are_named_exist(page):
    from run import COMMANDS

    text = (DOCS / page).read_text()
    for word in re.findall(r"python run\.py (\w+)", text):
        assert word in COMMANDS, word
    for path in re.findall(r"\]\(([\w./-]+\.md)\)", text):
        assert (DOCS / path).exists(), path
    for path in re.findall(r"`(docker/[\w./-]+\.\w+)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES)
def test_variables_that_are_named_exist(page):
    known = {name.upper() for name in Settings.__dataclass_fields__}
    own = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", (DOCS / page).read_text())) - {"NAME_FILE", "MEDIA_"}
    assert own <= known, own - known


def test_every_metric_is_explained():
    import clients.metrics  # noqa: F401

    gauges = re.findall(r'"(marquee_\w+)"', (ROOT / "features" / "operation" / "gauges.py").read_text())
    counted = {family.name for family in REGISTRY.collect() if family.name.startswith("marquee_")}
    text = (DOCS / "operating.md").read_text()
    missing = {name for name in counted | set(gauges) if f"`{name}" not in text}
    assert not missing
