"""The house stands as designed: imports point down, generic modules name no resource, every route is declared."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from machine.declare.registry import read_definitions
from tests.field_reports import FOREIGN

ROOT = Path(__file__).parent.parent
# From the top down; a floor may import itself and those that follow it.
FLOORS = [
    "run", "commands", "assembly", "tasks", "features", "hooks", "machine", "schemas", "clients", "settings",
    "variables",
]  # fmt: skip
# Folders of tests/ that stand across all of the source.
ACROSS = {"attacks", "faults", "load", "programs", "prove"}
RESOURCES = sorted(read_definitions())
# Words that are also plain English or name something else in generic code.
PLAIN = {"events", "reports", "blocks", "sessions", "jobs", "likes", "users", "audit_log", "api_keys"}
# Fields that one resource alone has and whose names are no plain words: who writes them knows the resource.
TELLING = {
    name
    for name, times in Counter(f for one in read_definitions().values() for f in one["schema"]).items()
    if times == 1 and "_" in name
}
# What may name resources outside `features/`: everything else should work for a resource that is written tomorrow.
SPECIFIC = {
    "words and examples of the documentation": r"machine/openapi/words\.py",
    "names of metrics and of refusals, which are a table": r"clients/metrics\.py|machine/http/reasons\.py",
}
# What keeps the documents of one resource because it is what makes them: the log of events, the ledger of jobs.
KEEPERS = r"machine/write/events\.py|machine/jobs/(job|ledger|pipelines)\.py"


def sources(*floors):
    for floor in floors:
        path = ROOT / floor
        yield from (
            [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else sorted(path.rglob("*.py"))
        )


def imported(path):
    """Yield the floors that a module imports, at its top or inside."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_point_down(floor):
    above = set(FLOORS[: FLOORS.index(floor)])
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(floor)
        for name in imported(path)
        if name in above
    }
    # The command line builds what it starts: run.py is found by name by the server, never imported.
    assert not wrong


def test_embedded_stack_is_imported_by_commands_alone():
    users = {path.relative_to(ROOT).parts[0] for path in sources(*FLOORS) if "dev" in set(imported(path))}
    assert users <= {"commands"}


def test_a_feature_uses_another_through_its_front_door_alone():
    wrong = set()
    names = names_of(sources("features"))
    for path in sources("features"):
        room = path.relative_to(ROOT).parts[1]
        for module in modules_of(path, names):
            parts = module.split(".")
            if path.parent.name != "features" and len(parts) > 2 and parts[1] != room:
                wrong.add(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong


def test_the_local_cloudinary_stands_alone():
    ours = {*FLOORS, "dev", "tests"}
    wrong = [path for path in sources("cloudinary_local") if ours & set(imported(path))]
    assert not wrong


def test_tests_lie_in_the_same_tree():
    """A folder of tests stands across all of the source, or is named like the folder that it tests."""
    tests = ROOT / "tests"
    rooms = [one for one in tests.iterdir() if one.is_dir() and one.name not in FOREIGN]
    folders = {path.parent.relative_to(tests) for one in rooms for path in one.rglob("test_*.py")}
    wrong = {str(one) for one in folders if one.parts[0] not in ACROSS and not (ROOT / one).is_dir()}
    assert not wrong
    assert {one.parts[0] for one in folders} >= ACROSS


def strings_of(path):
    """Yield the string constants of a module that are not docstrings."""
    tree = ast.parse(path.read_text())
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def is_specific(relative):
    return any(re.match(pattern, relative) for pattern in SPECIFIC.values())


def generic_modules():
    for path in sources("machine", "hooks", "tasks", "clients"):
        relative = str(path.relative_to(ROOT))
        if not is_specific(relative):
            yield relative


@pytest.mark.parametrize("module", sorted(generic_modules()))
def test_generic_module_names_no_resource(module):
    named = {word for text in strings_of(ROOT / module) for word in re.findall(r"\w+", text)} & (
        set(RESOURCES) - PLAIN
    )
    assert not named


@pytest.mark.parametrize("module", sorted(m for m in generic_modules() if not re.match(KEEPERS, m)))
def test_generic_module_names_no_field_of_one_resource(module):
    named = {word for text in strings_of(ROOT / module) for word in re.findall(r"\w+", text)} & TELLING
    assert not named


@pytest.mark.parametrize("reason", SPECIFIC)
def test_every_exception_is_still_one(reason):
    """Each module that may name a resource does: one that no longer does stands under the rule."""
    found = [
        str(path.relative_to(ROOT))
        for path in sources("machine", "hooks", "tasks", "clients")
        if re.match(SPECIFIC[reason], str(path.relative_to(ROOT)))
    ]
    assert found
    words = (set(RESOURCES) - PLAIN) | TELLING
    assert all(
        words & {w for text in strings_of(ROOT / one) for w in re.findall(r"\w+", text)} for one in found
    )


def test_rules_of_single_resources_are_few():
    for path in sources("features"):
        if path.stem.endswith("_rules"):
            assert len(path.read_text().splitlines()) < 70, path


def test_every_route_declares_its_policy(app):
    """A URL rule is a resource's, whose policy decides, or carries the declaration of who may use it."""
    for rule in app.url_map.iter_rules():
        name, _, kind = rule.endpoint.partition("|")
        declared = (kind and name in app.base_of) or rule.endpoint == "home"
        spec = getattr(app.view_functions[rule.endpoint], "spec", None)
        assert declared or spec, rule.rule
        if spec and spec.action is None:
            assert spec.access in ("anyone", "user", "moderator", "admin"), rule.rule


# Where somebody is compared with a document for what they write, or with what is no document of a resource.
COMPARING = {
    "features/engagement/threads.py", "features/identity/key_routes.py", "features/moderation/block_rules.py",
    "features/uploads/tus_routes.py", "features/views/routes.py", "hooks/stamps.py", "machine/access/rights.py",
    "machine/read/places.py", "machine/streams/streams.py", "machine/write/audit_trail.py",
}  # fmt: skip


def test_who_somebody_is_to_a_document_is_asked_of_the_policy():
    """A comparison of one's own would forget that a key is a stranger to what it may not read: use `rights`."""
    found = set()
    for path in sources("machine", "hooks", "features"):
        compared = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Compare)]
        told = [node for node in compared if not isinstance(node.ops[0], ast.Is | ast.IsNot)]
        sides = [ast.unparse(side) for node in told for side in (node.left, *node.comparators)]
        if any(re.search(r"\bcaller\.(id|role)$", side) for side in sides):
            found.add(str(path.relative_to(ROOT)))
    assert found <= COMPARING


def test_every_declared_action_has_its_route(app):
    routed = {
        view.spec.action
        for view in app.view_functions.values()
        if getattr(getattr(view, "spec", None), "action", None)
    }
    declared = {(resource.name, name) for resource in app.registry for name in resource.actions}
    assert declared == routed


def test_there_is_no_circle_of_imports():
    """Modules in an order in which each imports only earlier ones; imports inside functions and for types count too."""
    names = names_of(sources(*FLOORS))
    needs = {name: {one for one in modules_of(path, names) if one != name} for name, path in names.items()}
    while needs:
        free = {name for name, others in needs.items() if not others & set(needs)}
        assert free, f"a circle among {sorted(needs)}"
        needs = {name: others for name, others in needs.items() if name not in free}


def names_of(paths):
    """Return the paths by the names of their modules."""
    names = {}
    for path in paths:
        relative = path.relative_to(ROOT).with_suffix("")
        names[".".join(relative.parts[:-1] if relative.name == "__init__" else relative.parts)] = path
    return names


def modules_of(path, names):
    """Yield the modules of this project that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # Who takes a module out of a package names the package too: behind a front door, name the sibling.
            found = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (one for one in found if one in names)


LONGEST_FILE, LONGEST_FUNCTION = 300, 45


def test_no_file_and_no_function_is_too_long_to_be_seen_whole():
    long = set()
    for path in [*sources(*FLOORS), *sources("dev", "bench")]:
        relative, text = str(path.relative_to(ROOT)), path.read_text()
        if text.count("\n") > LONGEST_FILE:
            long.add(relative)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= LONGEST_FUNCTION:
                long.add(f"{relative}: {node.name}")
    assert not long


def test_the_time_is_asked_of_one_clock():
    asked = {
        str(path.relative_to(ROOT))
        for path in sources(*FLOORS)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
        if ast.unparse(node.value).split(".")[-1] in ("datetime", "date")
    }
    assert asked == {"clients/clock.py"}
