"""Declared filters mean in Python exactly what they mean in MongoDB."""

import itertools

import pytest
from bson import ObjectId

from machine.declare.match import as_query, matches, reach

VALUES = [None, "absent", "a", "b", True, False, 0, 1]
FILTERS = [
    {},
    {"x": "a"},
    {"x": None},
    {"x": ["a", "b"]},
    {"x": [None, "a"]},
    {"x": True},
    {"x": {"$ne": "a"}},
    {"x": {"$ne": None}},
    {"x": {"$in": ["a", 1]}},
    {"x": {"$nin": ["a", None]}},
    {"x": {"$eq": 0}},
    {"x": "a", "y.z": "b"},
    {"y.z": None},
    {"y.z": {"$ne": "a"}},
]


@pytest.fixture(scope="module")
def zoo(app):
    """One document for each pair of values of `x` and `y.z`."""
    documents = []
    for x, z in itertools.product(VALUES, VALUES):
        document = {"_id": ObjectId()}
        document |= {} if x == "absent" else {"x": x}
        document |= {} if z == "absent" else {"y": {"z": z}}
        documents.append(document)
    app.services.db["zoo"].insert_many(documents)
    return documents


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_filter_means_the_same_in_python_and_in_mongodb(app, zoo, wanted):
    found = {one["_id"] for one in app.services.db["zoo"].find(as_query(wanted))}
    ours = {one["_id"] for one in zoo if matches(one, wanted)}
    assert ours == found, [one for one in zoo if one["_id"] in ours ^ found]


def test_a_path_that_leads_nowhere_is_none():
    assert reach({"a": {"b": 1}}, "a.b") == 1
    for path in ("a.c", "a.b.c", "x", "x.y"):
        assert reach({"a": {"b": 1}}, path) is None


def test_unknown_operator_is_an_error_and_not_a_pass():
    with pytest.raises(KeyError):
        matches({"x": 1}, {"x": {"$gt": 0}})
