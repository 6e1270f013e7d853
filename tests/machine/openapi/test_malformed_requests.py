"""What the document calls malformed is refused, whoever asks; what it calls well formed is read."""

import re
import sys

import pytest

from features.discovery.search_routes import START


@pytest.mark.parametrize("path", ["", "/"])
@pytest.mark.parametrize("method", ["DELETE", "PATCH", "TRACE"])
def test_entry_point_refuses_unknown_methods_with_or_without_a_slash(anonymous, method, path):
    answer = anonymous.call(method, f"/api/v1{path}")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_a_stranger_is_told_of_a_malformed_idempotency_key(anonymous):
    answer = anonymous.call(
        "POST", "/auth/forgot", json={"email": "ada@example.org"}, headers={"Idempotency-Key": "two words"}
    )
    assert answer.status_code == 400, answer.text
    assert answer.json["reason"] == "bad_request"


def test_what_the_document_calls_a_length_of_a_film_is_one(anonymous):
    assert anonymous.get("/search?max_duration=1000000000").status_code == 200
    assert anonymous.get("/search?max_duration=1000000001").status_code == 400


@pytest.mark.parametrize("length", ["", "two", "1e400", "nan", "-1"])
def test_what_is_no_length_of_a_film_is_refused(anonymous, length):
    answer = anonymous.get(f"/search?min_duration={length}")
    assert (answer.status_code, answer.json["reason"]) == (400, "bad_query")


def test_what_the_document_calls_the_start_of_a_word_is_one(anonymous):
    whole = re.compile(START["pattern"])
    for number in range(sys.maxunicode + 1):
        assert bool(whole.search(chr(number))) == bool(chr(number).strip())
    for start in ("ß" * 60, "x"):
        assert anonymous.get("/search/suggestions", query_string={"q": start}).status_code == 200
    for start in ("\x85", " \u2003", "x" * 61):
        assert anonymous.get("/search/suggestions", query_string={"q": start}).status_code == 400
