"""Bodies of custom routes and actions: fields that nobody declared, and operators where texts belong, reach nothing.

Resources themselves are tried field by field in tests/machine/access/test_fields.py.
"""

import pytest
from bson import ObjectId

from tests import oracle
from tests.attacks.test_url_map import ENDING, ask_with, take
from tests.attacks.url_map import cases, cells, deserved
from tests.cells import who
from tests.factory import DEFINITIONS, make_value, satisfy

STOLEN = {
    "_id": "0123456789abcdef01234567",
    "_etag": "x",
    "owner": "0123456789abcdef01234567",
    "user": "0123456789abcdef01234567",
    "role": "admin",
    "roles": ["admin"],
    "status": "READY",
    "active": True,
    "email_verified": True,
    "password_hash": "x",
    "counters": {"views": 10**6},
    "scopes": ["users:write"],
    "deleted_at": None,
    "__proto__": {"role": "admin"},
}
OPERATORS = [
    {"$gt": ""},
    {"$ne": None},
    {"$where": "sleep(2000)"},
    {"$regex": ".*"},
    ["$ne", 1],
    [{"$gt": ""}],
]
BAD = {400, 422}


@pytest.fixture(scope="module")
def bodies(app):
    """Every case that reads a JSON body of its own."""
    found = [
        case
        for case in cases(app)
        if case.spec and case.spec.body is not None and case.endpoint not in ENDING
    ]
    assert len(found) > 20
    return found


def first_allowed(app, cast, shelf, case):
    """Return (client, document) of the first cell in which somebody may go on, so that the body is read."""
    for state, above, caller in cells(case):
        document = take(app, shelf, case.resource, state, above)
        if case.spec.action and deserved(app.store, case, document, who(cast, caller)) == 409:
            document = make_legal(app, case, document)
        if case.resource is None and oracle.ROLE_OF[caller] != "admin":
            continue
        if deserved(app.store, case, document, who(cast, caller)) is None:
            return cast[caller], document
    raise AssertionError(f"{case.name}: nobody gets as far as the body with the documents of this test")


def make_legal(app, case, document):
    """Bring a document into a state in which the action is legal."""
    resource, name = case.spec.action
    when = satisfy(oracle.policy_of(resource)["actions"][name].get("when", {}))
    return app.store.change(resource, {"_id": document["_id"]}, set=when)


def everything(app, names):
    return {name: list(app.services.db[name].find().sort("_id", 1)) for name in names}


def sent(case, **more):
    """Return a body that is right in every declared field."""
    return {field: value_of(rules, field) for field, rules in case.spec.body.items()} | more


def value_of(rules, field):
    """Return a value that the rules of a body take."""
    return "0" * 24 if rules.get("regex") == "[a-f0-9]{24}" else make_value(rules, field)


def test_fields_that_a_route_does_not_declare_are_refused(app, cast, shelf, bodies):
    wrong, tried = [], 0
    names = [*DEFINITIONS, "credentials"]
    for case in bodies:
        client, document = first_allowed(app, cast, shelf, case)
        before = everything(app, names)
        for field, value in STOLEN.items():
            if field in case.spec.body:
                continue
            tried += 1
            status, answer = ask_with(client, case, document, sent(case, **{field: value}))
            told = field in (answer.get("issues") or {}) or status == 400
            if status not in BAD or not told:
                wrong.append((case.name, field, status, answer.get("issues")))
        if everything(app, names) != before:
            wrong.append((case.name, "the database changed"))
    assert not wrong, "\n".join(map(str, wrong[:40]))
    assert tried > 300


def test_operators_in_the_place_of_values_are_refused(app, cast, shelf, bodies):
    wrong = []
    names = [*DEFINITIONS, "credentials"]
    for case in bodies:
        client, document = first_allowed(app, cast, shelf, case)
        before = everything(app, names)
        for field in case.spec.body:
            for value in OPERATORS:
                status, _ = ask_with(client, case, document, sent(case, **{field: value}))
                if status not in BAD:
                    wrong.append((case.name, field, value, status))
        for body in ([], [{}], 5, "x", {"a.b": 1}, {"$set": {"role": "admin"}}, {"": 1}, {"a\0": 1}):
            status, _ = ask_with(client, case, document, body)
            if status not in BAD:
                wrong.append((case.name, body, status))
        if everything(app, names) != before:
            wrong.append((case.name, "the database changed"))
    assert not wrong, "\n".join(map(str, wrong[:40]))


MOUNTED = [
    (name, field)
    for name in DEFINITIONS
    for field in oracle.policy_of(name).get("mounts", {})
    if "POST" in DEFINITIONS[name].get("resource_methods", ["GET", "POST"])
]


@pytest.mark.parametrize(("name", "field"), MOUNTED)
def test_sub_resource_urls_write_no_more_than_their_resource(app, cast, factory, name, field):
    """What the field policy refuses at /videos it refuses at /channels/<id>/videos."""
    body = factory.body(name, cast["owner"].user["_id"])
    mount = oracle.policy_of(name)["mounts"][field]
    url = mount if isinstance(mount, str) else mount["url"]
    if not body.get(field):
        target = DEFINITIONS[name]["schema"][field]["data_relation"]["resource"]
        body[field] = str(factory.insert(target, cast["owner"].user["_id"])["_id"])
    path = "/" + url.replace("{" + field + "}", str(body.pop(field)))
    before = app.store.collection(name).count_documents({})
    declared = oracle.policy_of(name).get("fields", {})
    barred = [f for f in STOLEN if f not in declared or declared[f].get("write") == ["server"]]
    for extra in barred:
        answer = cast["owner"].post(path, {**body, extra: STOLEN[extra]})
        assert answer.status_code in BAD, (extra, answer.text)
    foreign = cast["owner"].post(path, {**body, field: str(ObjectId())})
    assert foreign.status_code == 422 and field in foreign.json["issues"]
    assert app.store.collection(name).count_documents({}) == before
