"""Browsers on named origins may call and read; all others get the answer without the permission."""

import dataclasses

import pytest

from assembly import create_app
from tests.conftest import Client

FRIEND = "https://studio.example.org"


@pytest.fixture(scope="module")
def open_client(app, settings):
    other = create_app(dataclasses.replace(settings, cors_origins=(FRIEND,)))
    yield Client(other)
    other.services.close()


def test_named_origin_may_read(open_client):
    answer = open_client.get("/videos", headers={"Origin": FRIEND})
    assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example.org", FRIEND + ".evil.org", FRIEND + ":8443", "null", "*"]
)
def test_other_origins_get_no_permission(open_client, origin):
    answer = open_client.get("/videos", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_answer_for_one_origin_is_not_kept_for_another(open_client):
    open_client.get("/videos", headers={"Origin": FRIEND})
    assert "Access-Control-Allow-Origin" not in open_client.get("/videos").headers


def test_answer_to_no_origin_says_that_it_depends_on_it(open_client, alice):
    for headers in ({}, {"Authorization": f"Bearer {alice.token}"}):
        answer = open_client.get("/videos", headers=headers)
        assert answer.status_code == 200
        assert {"Origin", "Authorization"} <= {
            word for line in answer.headers.getlist("Vary") for word in line.split(", ")
        }


def test_preflight_says_what_may_be_sent(open_client):
    asked = {"Origin": FRIEND, "Access-Control-Request-Method": "PATCH"}
    answer = open_client.call("OPTIONS", "/videos", headers=asked)
    assert answer.status_code == 200
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "If-Match" in answer.headers["Access-Control-Allow-Headers"]


def test_refusals_can_be_read_too(open_client):
    answer = open_client.get("/users/000000000000000000000000", headers={"Origin": FRIEND})
    assert answer.status_code == 404 and answer.headers["Access-Control-Allow-Origin"] == FRIEND


def test_cookies_are_never_allowed(open_client):
    answer = open_client.get("/videos", headers={"Origin": FRIEND})
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_without_named_origins_nothing_is_said(app):
    assert "Access-Control-Allow-Origin" not in Client(app).get("/videos", headers={"Origin": FRIEND}).headers
