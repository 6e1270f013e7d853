"""What is empty is not null: a reference to nothing in particular is refused, not forgotten."""

import pytest


@pytest.mark.parametrize("hollow", ["", [], {}, False, 0])
def test_hollow_reference_is_refused(alice, hollow):
    answer = alice.post("/comments", {"text": "hello", "parent": hollow})
    assert answer.status_code == 422 and "parent" in answer.json["issues"]


def test_hollow_reference_in_a_bulk_is_refused(alice):
    answer = alice.post("/comments", [{"text": "hello", "parent": ""}])
    assert answer.status_code == 422


def test_null_in_a_list_is_refused(alice, name):
    channel = alice.post("/channels", {"handle": name, "name": "Woods"}).json["_id"]
    answer = alice.post("/videos", {"channel": channel, "title": "A walk", "tags": ["forest", None]})
    assert answer.status_code == 422 and "tags" in answer.json["issues"]


@pytest.mark.parametrize("path", ["/videos", "/api/v1/", "/users/000000000000000000000000", "/livez"])
def test_every_answer_forbids_sniffing(anonymous, path):
    assert anonymous.get(path).headers["X-Content-Type-Options"] == "nosniff"
