"""A filter that names nothing exactly would read a whole collection; it is refused before MongoDB sees it."""

import json

import pytest

ID = "0" * 24


@pytest.mark.parametrize(
    "where",
    [
        {"category": {"$ne": "x"}},
        {"category": {"$gt": ""}},
        {"category": {"$nin": ["x"]}},
        {"category": {"$exists": True}},
        {"$or": [{"category": "x"}, {"category": {"$gt": ""}}]},
        {"$and": [{"category": {"$gt": ""}}, {"category": {"$lt": "z"}}]},
    ],
)
def test_filter_without_an_exact_value_is_refused(anonymous, where):
    answer = anonymous.get(f"/videos?where={json.dumps(where)}")
    assert (answer.status_code, answer.json["reason"]) == (400, "bad_query")


@pytest.mark.parametrize(
    "where",
    [
        {"category": "x"},
        {"category": {"$in": ["x", "y"]}},
        {"$or": [{"category": "x"}, {"category": {"$eq": "y"}}]},
        {"$and": [{"category": "x"}, {"category": {"$ne": "y"}}]},
    ],
)
def test_filter_with_an_exact_value_is_served(anonymous, where):
    assert anonymous.get(f"/videos?where={json.dumps(where)}").status_code == 200


def test_below_a_document_the_url_is_the_exact_value(alice, name):
    channel = alice.post("/channels", {"handle": name, "name": "n"}).json
    assert alice.get(f"/channels/{channel['_id']}/videos").status_code == 200
