"""The query gate, unit by unit: what becomes of each parameter before anything reaches MongoDB."""

from datetime import UTC, datetime

import pytest
from bson import ObjectId
from werkzeug.datastructures import MultiDict

from machine.declare.compile import compile_resource
from machine.http.problem import Problem
from machine.read.query import LIST_PARAMETERS, read_asked

THING = compile_resource(
    "things",
    {
        "schema": {
            "owner": {"type": "objectid", "data_relation": {"resource": "users"}},
            "name": {"type": "string"},
            "name_key": {"type": "string"},
            "size": {"type": "integer"},
            "weight": {"type": "number"},
            "ready": {"type": "boolean"},
            "at": {"type": "datetime"},
            "tags": {"type": "list", "schema": {"type": "string"}},
            "secret": {"type": "string"},
        },
        "policy": {
            "owner": "owner",
            "readable": {},
            "folded": {"name_key": "name"},
            "fields": {"secret": {"read": ["server"]}},
            "queries": [
                {"filter": ["name", "size", "weight", "ready", "at", "tags", "owner"], "sort": "-at"}
            ],
            "embeds": {"owner": ["username"]},
        },
    },
)


def ask(**args):
    return read_asked(THING, MultiDict(args), LIST_PARAMETERS)


def refuse(**args):
    with pytest.raises(Problem) as refusal:
        ask(**args)
    assert refusal.value.code == 400
    return refusal.value


def test_nothing_asked_is_the_default_page():
    asked = ask()
    assert (asked.limit, asked.where, asked.sort, asked.cursor, asked.fields) == (25, {}, None, None, None)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ('{"size": 5}', {"size": 5}),
        ('{"weight": 5}', {"weight": 5}),
        ('{"weight": 0.5}', {"weight": 0.5}),
        ('{"ready": true}', {"ready": True}),
        ('{"size": null}', {"size": None}),
        ('{"tags": "a"}', {"tags": "a"}),
        ('{"owner": "0123456789abcdef01234567"}', {"owner": ObjectId("0123456789abcdef01234567")}),
        (
            '{"at": {"$gt": "2026-01-02T03:04:05Z"}}',
            {"at": {"$gt": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)}},
        ),
        ('{"at": "2026-01-02T03:04:05+02:00"}', {"at": datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)}),
        ('{"size": {"$in": [1, 2], "$ne": 3}}', {"size": {"$in": [1, 2], "$ne": 3}}),
        ('{"size": {"$exists": false}}', {"size": {"$exists": False}}),
        ('{"$or": [{"size": 1}, {"ready": false}]}', {"$or": [{"size": 1}, {"ready": False}]}),
        ('{"name": "Straße"}', {"name_key": "strasse"}),
        ('{"name": {"$in": ["A", "b"]}}', {"name_key": {"$in": ["a", "b"]}}),
    ],
)
def test_where_is_typed_by_the_schema(given, read):
    assert ask(where=given).where == read


@pytest.mark.parametrize(
    "given",
    [
        '{"size": "5"}',
        '{"size": 5.0}',
        '{"size": true}',
        '{"size": 9223372036854775808}',
        '{"ready": 1}',
        '{"name": 5}',
        '{"weight": "1"}',
        '{"weight": true}',
        '{"owner": "0123456789abcdef0123456"}',
        '{"owner": "0123456789abcdef0123456z"}',
        '{"owner": "abcdefabcdef"}',
        '{"at": "yesterday"}',
        '{"at": 5}',
        '{"at": "2026-13-01"}',
        '{"at": "0001-01-01T00:00:00+14:00"}',
        '{"size": {"$regex": "."}}',
        '{"size": {"$where": "1"}}',
        '{"$where": "1"}',
        '{"$expr": {"$eq": ["$secret", "x"]}}',
        '{"$text": {"$search": "x"}}',
        '{"$nor": [{"size": 1}]}',
        '{"$comment": "x"}',
        '{"$jsonSchema": {}}',
        '{"size": {"$not": {"$gt": 1}}}',
        '{"tags": {"$all": ["a"]}}',
        '{"tags": {"$size": 1}}',
        '{"tags": {"$elemMatch": {"$gt": ""}}}',
        '{"name": {"$type": 2}}',
        '{"size": {"$mod": [2, 0]}}',
        '{"secret": "x"}',
        '{"name_key": "x"}',
        '{"_id": "0123456789abcdef01234567"}',
        '{"owner.email": "x"}',
        '{"tags.0": "a"}',
        '{"$or": [{"secret": "x"}, {"size": 1}]}',
        '{"$and": [{"$or": [{"$and": [{"size": 1}]}]}]}',
        '{"size": [1]}',
    ],
)
def test_where_refuses_everything_else(given):
    refuse(where=given)


def test_refusal_names_what_is_allowed_and_nothing_hidden():
    for refusal in (
        refuse(where='{"secret":1}'),
        refuse(sort="secret"),
        refuse(fields="secret"),
        refuse(nonsense="1"),
    ):
        assert refusal.extra["allowed"] and "secret" not in str(refusal.extra["allowed"])


def test_sort_and_embedded_and_fields_are_held_to_the_declaration():
    assert ask(sort="-at").sort == (("at", -1), ("_id", -1))
    assert ask(embedded="owner").embedded == ("owner",)
    assert ask(fields="name, size").fields == {"name", "size"}
    for wrong in (
        {"sort": "at"},
        {"sort": "-at,-size"},
        {"embedded": "owner.x"},
        {"fields": "name_key,secret"},
    ):
        refuse(**wrong)


def test_parameter_given_twice_is_refused():
    with pytest.raises(Problem, match="more than once"):
        read_asked(THING, MultiDict([("sort", "-at"), ("sort", "-at")]), LIST_PARAMETERS)
