"""What the document calls malformed is refused, whoever asks; what it calls well formed is read."""

import pytest


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
