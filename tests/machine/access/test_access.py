"""Who may do what, unit by unit: roles, relations, links and scopes of one small declaration."""

from dataclasses import replace

import pytest
from bson import ObjectId

from machine.access import rights as access
from machine.access.caller import ANONYMOUS, Caller
from machine.declare.compile import compile_resource
from machine.http.problem import Problem

OWNER, OTHER = ObjectId(), ObjectId()
NOTE = compile_resource(
    "notes",
    {
        "schema": {
            "owner": {"type": "objectid", "readonly": True, "data_relation": {"resource": "users"}},
            "text": {"type": "string"},
            "shown": {"type": "string"},
            "place": {"type": "string"},
            "verdict": {"type": "string"},
            "secret": {"type": "string"},
        },
        "policy": {
            "owner": "owner",
            "readable": {"shown": "all"},
            "readable_by_link": {"shown": "link"},
            "soft_delete": {"keep": "x"},
            "roles": {"moderator": ["GET", "DELETE"], "admin": ["PATCH"]},
            "fields": {
                "place": {"write": ["create"]},
                "verdict": {"write": ["moderator"], "read": ["owner", "moderator"]},
                "secret": {"read": ["server"], "write": ["server"]},
            },
            "actions": {
                "close": {
                    "method": "POST",
                    "title": "Close it",
                    "who": ["owner"],
                    "when": {"text": ["open"]},
                },
                "restore": {
                    "method": "POST",
                    "title": "Restore",
                    "who": ["owner"],
                    "when": {"deleted_at": {"$ne": None}},
                },
            },
        },
    },
)
PEOPLE = {
    "anonymous": ANONYMOUS,
    "owner": Caller(OWNER, "user"),
    "stranger": Caller(OTHER, "user"),
    "moderator": Caller(ObjectId(), "moderator"),
    "admin": Caller(ObjectId(), "admin"),
}


def note(shown="none", **more):
    return {"_id": ObjectId(), "owner": OWNER, "shown": shown, "deleted_at": None, **more}


@pytest.mark.parametrize("shown", ["all", "link", "none"])
@pytest.mark.parametrize("person", PEOPLE)
def test_query_and_check_agree_on_who_may_read(app, person, shown):
    caller, collection = PEOPLE[person], app.services.db["notes"]
    for document in (note(shown), note(shown, deleted_at=1)):
        collection.insert_one(document)
        query = {"$and": [{"_id": document["_id"]}, access.query_by_link(NOTE, caller)]}
        assert access.may_read(NOTE, document, caller) is bool(collection.find_one(query))
        expected = not document["deleted_at"] and (
            shown != "none" or person in ("owner", "moderator", "admin")
        )
        assert access.may_read(NOTE, document, caller) is expected


def test_nobody_reads_where_nothing_is_declared_readable(app):
    closed = replace(NOTE, readable=None, readable_by_link=None, overseers=frozenset())
    for person in ("anonymous", "stranger"):
        query = access.query_by_link(closed, PEOPLE[person])
        app.services.db["notes"].insert_one(document := note("all"))
        assert app.services.db["notes"].find_one({"$and": [{"_id": document["_id"]}, query]}) is None


def test_document_without_its_owner_field_is_nobodys():
    for caller in PEOPLE.values():
        assert not access.owns(NOTE, {"_id": 1}, caller)
        assert not access.owns(NOTE, {"_id": 1, "owner": None}, caller)


@pytest.mark.parametrize(
    ("person", "method", "status"),
    [
        ("anonymous", "GET", None),
        ("anonymous", "HEAD", None),
        ("anonymous", "POST", 401),
        ("anonymous", "DELETE", 401),
        ("stranger", "POST", None),
        ("stranger", "PATCH", None),
        ("admin", "PATCH", None),
    ],
)
def test_method_is_refused_to_those_who_could_use_it_on_nothing(person, method, status):
    if status is None:
        access.require_method(NOTE, method, PEOPLE[person])
    else:
        with pytest.raises(Problem) as refusal:
            access.require_method(NOTE, method, PEOPLE[person])
        assert refusal.value.code == status


@pytest.mark.parametrize(
    ("person", "method", "allowed"),
    [
        ("owner", "PATCH", True),
        ("owner", "DELETE", True),
        ("stranger", "PATCH", False),
        ("moderator", "DELETE", True),
        ("moderator", "PATCH", False),
        ("admin", "PATCH", True),
        ("admin", "DELETE", True),
        ("anonymous", "DELETE", False),
    ],
)
def test_write_is_for_owner_and_declared_roles(person, method, allowed):
    caller = PEOPLE[person]
    words = access.standing(NOTE, note("all"), caller)
    if allowed:
        access.require_write(NOTE, method, caller, words)
    else:
        with pytest.raises(Problem) as refusal:
            access.require_write(NOTE, method, caller, words)
        assert refusal.value.code == (401 if person == "anonymous" else 403)


@pytest.mark.parametrize(
    ("scopes", "method", "allowed"),
    [
        (None, "POST", True),
        ({"notes:read"}, "GET", True),
        ({"notes:read"}, "HEAD", True),
        ({"notes:read"}, "POST", False),
        ({"notes:write"}, "POST", True),
        ({"notes:write"}, "GET", False),
        ({"videos:write"}, "POST", False),
        (set(), "GET", False),
    ],
)
def test_key_reaches_as_far_as_its_scopes(scopes, method, allowed):
    caller = Caller(OWNER, "user", scopes=None if scopes is None else frozenset(scopes))
    assert access.has_scope(NOTE, method, caller) is allowed
    if not allowed:
        with pytest.raises(Problem) as refusal:
            access.require_method(NOTE, method, caller)
        assert refusal.value.reason == "missing_scope"


def test_a_key_is_a_stranger_to_what_it_may_not_read():
    blind = Caller(OWNER, "admin", scopes=frozenset({"videos:read", "notes:write"}))
    seeing = Caller(OWNER, "admin", scopes=frozenset({"notes:read"}))
    assert access.towards(NOTE, blind) == PEOPLE["anonymous"] and access.towards(NOTE, seeing) is seeing
    assert not access.owns(NOTE, note(), blind) and access.owns(NOTE, note(), seeing)
    assert access.standing(NOTE, note(), blind, OWNER) == access.standing(NOTE, note(), PEOPLE["anonymous"])
    assert access.query_by_link(NOTE, blind) == access.query_by_link(NOTE, PEOPLE["anonymous"])
    assert access.owns(NOTE, note(), access.as_writer(NOTE, "PATCH", blind))
    assert access.as_writer(NOTE, "PATCH", seeing) is seeing
    assert access.towards_all([NOTE], blind) == PEOPLE["anonymous"]


def test_fields_are_written_by_their_writers_alone():
    def refused(person, creating, *names):
        words = access.standing(NOTE, note(), PEOPLE[person])
        return set(access.unwritable_fields(NOTE, dict.fromkeys(names, 1), words, creating))

    names = ("text", "place", "verdict", "secret", "owner", "_id", "_etag", "deleted_at", "nonsense")
    always = {"secret", "owner", "_id", "_etag", "deleted_at", "nonsense"}
    assert refused("owner", True, *names) == always | {"verdict"}
    assert refused("owner", False, *names) == always | {"verdict", "place"}
    assert refused("moderator", False, *names) == always | {"place"}


def test_fields_are_hidden_from_all_but_their_readers():
    def hidden(person):
        return access.hidden_fields(NOTE, access.standing(NOTE, note(), PEOPLE[person])) - {"deleted_at"}

    assert hidden("anonymous") == hidden("stranger") == {"verdict", "secret"}
    assert hidden("owner") == hidden("moderator") == {"secret"}


@pytest.mark.parametrize(
    ("person", "document", "status"),
    [
        ("owner", note(text="open"), None),
        ("owner", note(text="shut"), 409),
        ("owner", note(text="open", deleted_at=1), 409),
        ("stranger", note(text="open"), 403),
        ("stranger", note(text="shut"), 403),
        ("anonymous", note(text="open"), 401),
    ],
)
def test_action_is_refused_by_person_first_and_by_state_then(person, document, status):
    caller, action = PEOPLE[person], NOTE.actions["close"]
    words = access.standing(NOTE, document, caller)
    assert access.is_legal(action, document, words) is (status is None)
    if status:
        with pytest.raises(Problem) as refusal:
            access.require_action(NOTE, action, document, caller, words)
        assert refusal.value.code == status


def test_action_on_deleted_documents_is_legal_on_these_alone():
    words = access.standing(NOTE, note(), PEOPLE["owner"])
    assert access.is_legal(NOTE.actions["restore"], note(deleted_at=1), words)
    assert not access.is_legal(NOTE.actions["restore"], note(), words)
