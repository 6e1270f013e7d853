"""Generated from the declarations: every resource × method × caller × state of visibility, against an oracle."""

import pytest
from bson import ObjectId
from werkzeug.exceptions import MethodNotAllowed

from tests import oracle
from tests.cells import item_cells, label, slow_if, who
from tests.factory import DEFINITIONS, as_json, make_value, writers

METHODS = ["GET", "HEAD", "PATCH", "PUT", "DELETE"]
CELLS = [(*cell, method) for cell in item_cells() for method in METHODS]


def writable(store, name, document, someone):
    """Return one field that this caller may change, with another value; None where there is none."""
    known = oracle.words(store, name, document, someone)
    for field, rules in DEFINITIONS[name]["schema"].items():
        plain = rules.get("type") == "string" and not rules.get("allowed")
        if plain and set(writers(name, field)) & known:
            return {field: make_value(rules, field)}
    return {}


def replacement(factory, store, name, document, someone):
    """Return a full body for PUT: the references stay, what the caller may write changes."""
    body = factory.body(
        name, document.get(oracle.owner_field(name) or ""), oracle.words(store, name, document, someone)
    )
    kept = {
        field: as_json(document[field])
        for field in body
        if "data_relation" in DEFINITIONS[name]["schema"][field]
    }
    return {field: value for field, value in (body | kept).items() if value is not None}


@pytest.mark.parametrize("cell", slow_if(lambda cell: cell[-1] in ("HEAD", "PUT"), CELLS), ids=label)
def test_item_answers_as_declared(app, cast, factory, shelf, cell):
    name, state, above, caller, method = cell
    document, someone = shelf.take(name, state, above), who(cast, caller)
    expected = oracle.item_status(app.store, name, method, document, someone)
    body = {
        "PATCH": lambda: writable(app.store, name, document, someone),
        "PUT": lambda: replacement(factory, app.store, name, document, someone),
    }.get(method, lambda: None)()
    before = document
    if expected == 200 and method not in ("GET", "HEAD"):
        shelf.drop(name, state, above)
    etag = {} if method in ("GET", "HEAD") else {"If-Match": f'"{document["_etag"]}"'}

    answer = cast[caller].call(method, f"/{name}/{document['_id']}", json=body, headers=etag)

    assert answer.status_code == (204 if expected == 200 and method == "DELETE" else expected), answer.text
    after = app.store.get(name, document["_id"])
    if expected != 200 or method in ("GET", "HEAD"):
        assert after == before
    elif method == "DELETE":
        assert after is None or after["deleted_at"]
    else:
        assert after["_etag"] != before["_etag"]
        assert {k: after.get(k) for k in body} != {k: before.get(k) for k in body} or not body
        follow = oracle.policy_of(name).get("folded", {})
        untouched = [
            f
            for f in before
            if "server" in writers(name, f)
            and not f.startswith("_")
            and not f.endswith("_at")
            and f not in follow
        ]
        assert {f: after.get(f) for f in untouched} == {f: before[f] for f in untouched}


def leaks(document, fields, text):
    """Return the hidden fields of the document whose values occur in a text."""
    values = {field: document[field] for field in fields if document.get(field)}
    return [field for field, value in values.items() if any(word in text for word in texts(value))]


def texts(value):
    """Return the unmistakable texts in a value."""
    if isinstance(value, dict):
        return [word for inner in value.values() for word in texts(inner)]
    if isinstance(value, list):
        return [word for inner in value for word in texts(inner)]
    return [value] if isinstance(value, str) and len(value) > 12 else []


@pytest.mark.parametrize("cell", list(item_cells()), ids=label)
def test_hidden_fields_never_appear(app, cast, shelf, cell):
    name, state, above, caller = cell
    document, someone = shelf.take(name, state, above), who(cast, caller)
    hidden = oracle.hidden(name, oracle.words(app.store, name, document, someone))
    # A folded copy reads like the field it was made of, which has a policy of its own.
    folded = set(oracle.policy_of(name).get("folded", {}))
    for query in ("", *(f"?fields={field}" for field in hidden)):
        answer = cast[caller].get(f"/{name}/{document['_id']}{query}")
        assert not leaks(document, hidden - folded, answer.text)
        if answer.status_code == 200:
            assert not hidden & set(answer.json), f"{hidden & set(answer.json)} in {query}"
        else:
            assert not leaks(document, DEFINITIONS[name]["schema"], answer.text)


@pytest.mark.parametrize("caller", ["anonymous", "stranger", "owner", "moderator", "admin"])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_undeclared_filters_and_sorts_are_refused(app, cast, shelf, name, caller):
    document = shelf.take(name)
    offered = {f for q in oracle.policy_of(name).get("queries", []) for f in q["filter"]}
    sorts = {
        word.lstrip("-") for q in oracle.policy_of(name).get("queries", []) for word in q["sort"].split(",")
    }
    refused = (
        400 if "GET" in oracle.methods_of(name, oracle.ROLE_OF[caller]) else oracle.refusal(who(cast, caller))
    )
    for field in [*DEFINITIONS[name]["schema"], "deleted_at", "password_hash", "_etag"]:
        if field not in offered:
            answer = cast[caller].get(f'/{name}?where={{"{field}":{{"$exists":true}}}}')
            assert answer.status_code == refused, (field, answer.text)
            assert not leaks(document, DEFINITIONS[name]["schema"], answer.text)
        if field not in sorts:
            assert cast[caller].get(f"/{name}?sort={field}").status_code == refused, field


def is_route(app, path):
    """Tell whether a blueprint, and not a resource, answers POST here."""
    try:
        endpoint, _ = app.url_map.bind("localhost").match(path, method="POST")
    except MethodNotAllowed:
        return False
    return "|" not in endpoint


@pytest.mark.parametrize("caller", ["anonymous", "stranger", "moderator", "admin"])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_creation_is_for_whom_it_is_declared(app, cast, factory, name, caller):
    client, someone = cast[caller], who(cast, caller)
    owner = client.user["_id"] if client.user else factory.host
    body = factory.body(name, owner)
    before = app.store.collection(name).count_documents({})

    answer = client.post(f"/{name}", body)

    if "POST" not in DEFINITIONS[name].get("resource_methods", ["GET", "POST"]):
        expected = 405
        if is_route(app, f"/api/v1/{name}"):
            # What it takes is its own affair.
            expected = (
                answer.status_code if answer.status_code == 201 or 400 <= answer.status_code < 500 else 405
            )
    else:
        expected = 201 if "POST" in oracle.methods_of(name, someone.role) else oracle.refusal(someone)
    assert answer.status_code == expected, answer.text
    assert app.store.collection(name).count_documents({}) == before + (expected == 201)
    if expected == 201 and (field := oracle.owner_field(name)):
        assert app.store.get(name, ObjectId(answer.json["_id"]))[field] == owner


@pytest.mark.parametrize("name", DEFINITIONS)
def test_lists_cannot_be_deleted_or_replaced(cast, name):
    for method in ("DELETE", "PUT", "PATCH"):
        assert cast["admin"].call(method, f"/{name}", json={}, headers={"If-Match": "*"}).status_code == 405
