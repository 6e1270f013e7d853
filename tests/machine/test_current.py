"""What a request keeps while it is answered is declared in one place, and typed."""

import ast
import dataclasses
import re

import pytest
from flask import g as flask_g

from machine.current import Globals, RequestState, g
from machine.write.in_flight import Write
from tests.test_house import ROOT, sources

OURS = ["run", "commands", "assembly", "tasks", "features", "hooks", "machine", "clients", "dev", "bench"]
HERE = ROOT / "machine/current.py"


def modules():
    return [path for path in sources(*OURS) if path != HERE]


def names_taken(path):
    """Yield what a module takes from Flask itself."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module in ("flask", "flask.globals"):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("flask."):
            yield node.attr


@pytest.mark.parametrize("name", ["g", "current_app"])
def test_nothing_else_takes_the_untyped_ones_of_flask(name):
    """But for the validator, which Eve also builds while there is no application yet."""
    taken = {str(path.relative_to(ROOT)) for path in modules() if name in names_taken(path)}
    assert taken <= ({"machine/eve/validation.py"} if name == "current_app" else set())


def test_every_name_that_is_assigned_is_declared():
    """Also by mypy, except where a type is lost."""
    declared = {f"g.{one.name}" for one in dataclasses.fields(RequestState)}
    declared |= {f"g.write.{one.name}" for one in dataclasses.fields(Write)}
    assigned = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
                assigned |= set(re.findall(r"^g\..+", ast.unparse(node)))
    assert assigned <= declared
    assert {"g.caller", "g.verdict", "g.write.after"} <= assigned, "this test looks at nothing"


def test_each_request_begins_with_nothing(app):
    with app.test_request_context("/"):
        assert isinstance(flask_g._get_current_object(), Globals)
        g.write.deeds["one"] = ("deed", {})
        assert flask_g.write is g.write
    with app.test_request_context("/"):
        assert g.write == Write()
        assert (g.request_id, g.verdict, g.reason) == ("", None, None)
        assert not g.caller.signed_in


def test_no_type_is_ignored_where_requests_are_answered():
    """Except where a library's types are wrong, which is said beside it."""
    found = set()
    for floor in ("features", "hooks", "machine", "tasks", "commands"):
        for path in sources(floor):
            lines = path.read_text().splitlines()
            for number, line in enumerate(lines):
                if "type: ignore" in line and not re.search(
                    r"^\s*#", "\n".join(lines[max(0, number - 1) : number])
                ):
                    found.add(f"{path.relative_to(ROOT)}:{number + 1}")
    assert not found
