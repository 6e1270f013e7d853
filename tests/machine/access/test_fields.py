"""Who may write which field: on POST, PATCH and PUT, for every field of every resource, nested and dotted too."""

from datetime import timedelta

import pytest

from tests import oracle
from tests.cells import label, make, slow_if
from tests.factory import DEFINITIONS, META, as_json, make_value, writers

WRITERS = ["owner", "moderator", "admin"]
WORDS = {
    "owner": {"anyone", "user", "owner"},
    "moderator": {"anyone", "user", "moderator"},
    "admin": {"anyone", "user", "moderator", "admin"},
}
EXTRA = [*META, "deleted_at", "nonsense", "password_hash", "role_key"]


def fields_of(name):
    schema = DEFINITIONS[name]["schema"]
    return [*schema, *(field for field in EXTRA if field not in schema)]


def offers(name, method, caller):
    """Tell whether this caller may use the method on a document of alice's that he may read."""
    item = method in DEFINITIONS[name].get("item_methods", ["GET", "PATCH", "PUT", "DELETE"])
    allowed = oracle.methods_of(name, oracle.ROLE_OF[caller]) | (
        oracle.methods_of(name, "owner") if caller == "owner" else set()
    )
    return item and method in allowed


PATCHES = [
    (name, field, caller)
    for name in DEFINITIONS
    for caller in WRITERS
    if offers(name, "PATCH", caller)
    for field in fields_of(name)
    if field in META or not set(writers(name, field)) & WORDS[caller]
]
CREATIONS = [
    (name, field)
    for name in DEFINITIONS
    if "POST" in DEFINITIONS[name].get("resource_methods", ["GET", "POST"])
    and "POST" in oracle.methods_of(name, "user")
    for field in fields_of(name)
    if not {"create", "owner", "anyone", "user"} & set(writers(name, field))
]


def different(name, field, present):
    """Return a well-formed value that is not the present one."""
    rules = DEFINITIONS[name]["schema"].get(field, {"type": "string"})
    if rules.get("allowed"):
        return next((one for one in rules["allowed"] if one != present), None)
    value = make_value(rules, field)
    if isinstance(present, bool):
        return not present
    if value == present and isinstance(value, int | float):
        return value + 1
    if value == present and isinstance(value, str):
        return "de"
    if isinstance(value, list):
        return value or ["x"]
    return value + timedelta(days=9) if rules.get("type") == "datetime" else value


@pytest.mark.parametrize("cell", slow_if(lambda cell: cell[-1] != "owner", PATCHES), ids=label)
def test_patch_writes_only_what_is_declared(app, cast, shelf, cell):
    name, field, caller = cell
    document = shelf.take(name)
    value = as_json(different(name, field, document.get(field)))
    answer = cast[caller].patch(f"/{name}/{document['_id']}", {field: value}, document["_etag"])
    assert answer.status_code == 422, answer.text
    assert field in answer.json["issues"]
    assert app.store.get(name, document["_id"]) == document


@pytest.mark.parametrize(
    "cell", [(n, f) for n, f, c in PATCHES if c == "owner" and offers(n, "PUT", c)], ids=label
)
def test_put_writes_only_what_is_declared(app, cast, factory, shelf, cell):
    name, field = cell
    document = shelf.take(name)
    body = factory.body(name, cast["owner"].user["_id"])
    body = {f: as_json(document.get(f)) if f in document else value for f, value in body.items()}
    body[field] = as_json(different(name, field, document.get(field)))
    answer = cast["owner"].put(f"/{name}/{document['_id']}", body, document["_etag"])
    assert answer.status_code == 422, answer.text
    assert field in answer.json["issues"]
    assert app.store.get(name, document["_id"]) == document


@pytest.mark.parametrize("cell", CREATIONS, ids=label)
def test_creation_writes_only_what_is_declared(app, cast, factory, cell):
    name, field = cell
    client = cast["owner"]
    body = factory.body(name, client.user["_id"]) | {field: as_json(different(name, field, None))}
    before = app.store.collection(name).count_documents({})
    for sent in (body, [body], [factory.body(name, client.user["_id"]), body]):
        answer = client.post(f"/{name}", sent)
        assert answer.status_code == 422, answer.text
        issues = answer.json["issues"] if sent is body else answer.json["items"][-1]["issues"]
        assert field in issues
    assert app.store.collection(name).count_documents({}) == before


@pytest.mark.parametrize("name", [name for name in DEFINITIONS if offers(name, "PATCH", "owner")])
def test_nested_and_dotted_names_open_no_back_door(app, cast, factory, name):
    document = make(factory, cast, name, next(iter(oracle.variants(name))))
    document = app.store.get(name, document["_id"])
    path, client = f"/{name}/{document['_id']}", cast["owner"]
    for field, rules in DEFINITIONS[name]["schema"].items():
        for key in (f"{field}.x", f"${field}", f"{field}.$[]", f"{field}\0"):
            assert client.patch(path, {key: 1}, document["_etag"]).status_code == 400, key
        if rules.get("type") == "dict" and not rules.get("allow_unknown"):
            assert client.patch(path, {field: {"nonsense": 1}}, document["_etag"]).status_code == 422
            assert client.patch(path, {field: {"a.b": 1}}, document["_etag"]).status_code == 400
            assert client.patch(path, {field: {"$inc": {"views": 1}}}, document["_etag"]).status_code == 400
    assert app.store.get(name, document["_id"]) == document


@pytest.mark.parametrize("name", [name for name in DEFINITIONS if offers(name, "PATCH", "owner")])
def test_sending_back_what_was_read_changes_nothing_it_should_not(app, cast, factory, name):
    document = make(factory, cast, name, next(iter(oracle.variants(name))))
    client, path = cast["owner"], f"/{name}/{document['_id']}"
    shown = client.get(path)
    mine = {f: v for f, v in shown.json.items() if {"owner", "anyone", "create"} & set(writers(name, f))}
    before = app.store.get(name, document["_id"])
    answer = client.patch(path, mine, before["_etag"])
    assert answer.status_code == 200, answer.text
    after = app.store.get(name, document["_id"])
    changing = {"_etag", "_updated"}
    assert {f: v for f, v in after.items() if f not in changing} == {
        f: v for f, v in before.items() if f not in changing
    }
