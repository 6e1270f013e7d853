"""What only says again what holds anyway is refused: generated for each resource from the defaults themselves."""

import copy

import pytest

from machine.declare import defaults
from machine.declare.lint import lint
from machine.declare.linting.policies import CHECKS
from machine.declare.registry import Registry, read_definitions

NAMES = list(read_definitions())


@pytest.fixture
def declared():
    return copy.deepcopy(read_definitions())


def test_every_key_has_a_default():
    assert set(defaults.POLICY) == set(CHECKS)


@pytest.mark.parametrize("name", NAMES)
def test_default_of_each_key_is_refused(declared, name):
    absent = {key: usual for key, usual in defaults.POLICY.items() if key not in declared[name]["policy"]}
    declared[name]["policy"] |= copy.deepcopy(absent)
    complaints = set(lint(declared))
    for key, usual in absent.items():
        sentence = f"schemas/{name}.py: policy.{key}: {usual!r} is what holds anyway: leave it out"
        assert sentence in complaints
    assert len(complaints) == len(absent)


@pytest.mark.parametrize("name", NAMES)
def test_each_word_that_restates_its_field_is_refused(declared, name):
    """Everyone reads, the server alone writes what is readonly, and nothing of it is personal."""
    rows, expected = declared[name]["policy"].setdefault("fields", {}), set()
    for field, rules in declared[name]["schema"].items():
        row = rows.setdefault(field, {})
        for word, usual in defaults.field(rules).items():
            if word not in row:
                row[word] = usual
                expected.add(
                    f"schemas/{name}.py: policy.fields.{field}.{word}: {usual!r} is what holds anyway"
                )
    assert {one.removesuffix(": leave it out") for one in lint(declared)} == expected


@pytest.mark.parametrize("name", NAMES)
def test_role_that_has_its_usual_methods_is_refused(declared, name):
    usual, rows = defaults.roles(declared[name]), declared[name]["policy"].setdefault("roles", {})
    absent = {role: methods for role, methods in usual.items() if role not in rows}
    rows |= absent
    assert set(lint(declared)) == {
        f"schemas/{name}.py: policy.roles.{role}: {methods!r} is what holds anyway: leave it out"
        for role, methods in absent.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_declared_index_that_is_derived_is_refused(declared, name):
    derived = [one for one in Registry.load()[name].indexes if one.source != "mongo_indexes"]
    indexes = declared[name].setdefault("mongo_indexes", {})
    for number, one in enumerate(derived):
        indexes[f"mine_{number}"] = (one.keys, dict(one.options)) if one.options else one.keys
    found = [one for one in lint(declared) if "is derived from" in one]
    assert len(found) == len(derived) > 0 or not derived
    for number, one in enumerate(derived):
        place = f"schemas/{name}.py: mongo_indexes.mine_{number}: is derived from "
        assert any(sentence.startswith(place) and one.source in sentence for sentence in found)


RESTATED = {
    "the methods of a list": (
        lambda r: r.update(resource_methods=["GET", "POST"]),
        "resource_methods: ['GET', 'POST'] is what holds anyway",
    ),
    "the methods of an item, in another order": (
        lambda r: r.update(item_methods=["DELETE", "GET", "PUT", "PATCH"]),
        "is what holds anyway",
    ),
    "no indexes": (lambda r: r.update(mongo_indexes={}), "mongo_indexes: {} is what holds anyway"),
    "no options of an index": (
        lambda r: r.setdefault("mongo_indexes", {}).update(mine=([("name", 1)], {})),
        "mongo_indexes.mine: has no options: write the keys alone",
    ),
    "a rule of a field": (
        lambda r: r["schema"]["name"].update(readonly=False),
        "schema.name.readonly: False is what holds anyway",
    ),
    "a rule further in": (
        lambda r: r["schema"]["links"]["schema"]["schema"]["url"].update(readonly=False),
        "schema.links.schema.url.readonly: False is what holds anyway",
    ),
    "a row that says nothing": (
        lambda r: r["policy"]["fields"].update(name={}),
        "policy.fields.name: it says nothing of the field: leave it out",
    ),
    "a view": (
        lambda r: r["policy"]["queries"][0].update(view="public"),
        "queries.0.view: 'public' is what holds anyway",
    ),
    "the name of an index": (
        lambda r: r["policy"]["queries"][1].update(index="by_owner"),
        "queries.1.index: 'by_owner' is what holds anyway",
    ),
    "the name of a unique index": (
        lambda r: r["policy"]["unique"][0].update(index="one_each"),
        "unique.0.index: 'one_each' is what holds anyway",
    ),
    "the field that clients know": (
        lambda r: r["policy"]["unique"][0].update(shown="handle_key"),
        "unique.0.shown: 'handle_key' is what holds anyway",
    ),
    "the path of an action": (
        lambda r: r["policy"]["actions"]["stats"].update(path="stats"),
        "actions.stats.path: 'stats' is what holds anyway",
    ),
    "the condition of an action": (
        lambda r: r["policy"]["actions"]["stats"].update(when={}),
        "actions.stats.when: {} is what holds anyway",
    ),
    "a counter without a condition": (
        lambda r: r["policy"].update(counts={"owner": {"counter": "counters.channels"}}),
        "counts.owner: {'counter': 'counters.channels'} says no more than 'counters.channels': write that",
    ),
    "a mount without a filter": (
        lambda r: r["policy"].update(mounts={"owner": {"url": "users/{owner}/channels"}}),
        "mounts.owner: {'url': 'users/{owner}/channels'} says no more than 'users/{owner}/channels': write that",
    ),
    "the filter of a mount": (
        lambda r: r["policy"].update(mounts={"owner": {"url": "users/{owner}/channels", "filter": {}}}),
        "mounts.owner.filter: {} is what holds anyway",
    ),
}


@pytest.mark.parametrize("kind", RESTATED)
def test_what_holds_anyway_is_refused(declared, kind):
    spoil, expected = RESTATED[kind]
    spoil(declared["channels"])
    complaint = next(c for c in lint(declared) if expected in c)
    assert complaint.startswith("schemas/channels.py: ")


def test_states_do_not_restate_either(declared):
    status = declared["videos"]["policy"]["states"]["status"]
    status["remembers"]["BLOCKED"]["along"] = []
    status["deadlines"]["UPLOADING"]["clears"] = []
    status = declared["reports"]["policy"]["states"]["state"]
    status.update(deadlines={}, invariants={}, remembers={})
    found = [one.split(": ")[1] for one in lint(declared)]
    assert found == [
        "policy.states.state.deadlines", "policy.states.state.invariants", "policy.states.state.remembers",
        "policy.states.status.remembers.BLOCKED.along", "policy.states.status.deadlines.UPLOADING.clears",
    ]  # fmt: skip
