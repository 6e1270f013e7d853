"""Identity while a part is down: without Redis all works, without keys nobody signs in, and neither is a 500."""

import time
from dataclasses import replace

import pytest
from pymongo.errors import AutoReconnect

from assembly import create_app
from features.identity.signing_keys import COLLECTION
from tests.conftest import Client
from tests.identity import PASSWORD
from tests.patience import patience

SLOWEST_SECONDS = 2.0


@pytest.fixture(scope="module")
def alone(app):
    """The same data behind an application whose Redis is away."""
    without = create_app(replace(app.settings, redis_url="redis://127.0.0.1:1/0"))
    yield without
    without.services.close()


def timed(call, *arguments):
    begun = time.monotonic()
    answer = call(*arguments)
    assert time.monotonic() - begun < patience(SLOWEST_SECONDS)
    return answer


def test_without_redis_one_signs_up_in_on_and_out(alone, name):
    guest = Client(alone)
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    assert timed(guest.post, "/auth/register", body).status_code == 201
    tokens = timed(guest.post, "/auth/login", {"login": name, "password": PASSWORD}).json
    fresh = timed(guest.post, "/auth/refresh", {"refresh_token": tokens["refresh_token"]}).json
    user = Client(alone, fresh["access_token"])
    assert timed(user.get, "/me").status_code == 200
    assert timed(user.post, "/auth/logout").status_code == 204
    assert timed(user.get, "/me").status_code == 401


def test_without_redis_a_forgotten_password_is_still_asked_for(alone):
    assert timed(Client(alone).post, "/auth/forgot", {"email": "x@example.org"}).status_code == 202


def test_without_a_key_of_production_nobody_signs_in_and_none_is_made(app, alice):
    production = create_app(replace(app.settings, environment="production"))
    app.services.db[COLLECTION].drop()
    answer = Client(production).post("/auth/login", {"login": "alice", "password": PASSWORD})
    assert answer.status_code == 503 and answer.json["reason"] == "unavailable"
    assert "rotate" not in answer.text
    assert app.services.db[COLLECTION].count_documents({}) == 0
    production.services.close()


def test_when_every_core_checks_a_password_the_next_is_told_to_come_back(app, alice, monkeypatch):
    monkeypatch.setattr("features.identity.passwords.WAIT_SECONDS", 0.01)
    turns = app.services.passwords.turns
    taken = [turns.acquire(timeout=patience(5)) for _ in range(turns._initial_value)]
    try:
        answer = Client(app).post("/auth/login", {"login": "alice", "password": PASSWORD})
    finally:
        [turns.release() for _ in taken]
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize("method", ["post", "patch", "put", "delete"])
def test_write_that_mongodb_drops_is_503_and_never_the_callers_fault(app, alice, monkeypatch, method):
    """Eve takes whatever its data layer raises in a change for a bad request."""
    playlist = alice.post("/playlists", {"title": "x"}).json["_id"]

    def drop(*_, **__):
        raise AutoReconnect("gone")

    monkeypatch.setattr(app.store.atomic, "as_one", drop)
    path = "/playlists" if method == "post" else f"/playlists/{playlist}"
    body = {} if method == "delete" else {"json": {"title": "y"}}
    answer = getattr(alice, method)(path, **body, **({"etag": "*"} if method == "put" else {}))
    assert (answer.status_code, answer.json["reason"]) == (503, "unavailable"), answer.json
    assert answer.headers["Retry-After"]
