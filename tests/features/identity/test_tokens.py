"""Tokens between processes: what one revokes, all refuse at once, with Redis and without."""

import threading
from dataclasses import replace

import pytest

from bench.token_check import measure
from features.identity.sessions import Sessions
from machine.access.claims import BadToken
from tests.conftest import sign_up
from tests.identity import elsewhere

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def user(app, name):
    return sign_up(app, name)


@pytest.fixture
def other(settings):
    services = elsewhere(settings)
    yield services
    services.close()


@pytest.fixture
def without_redis(settings):
    services = elsewhere(settings, redis_url=NOWHERE)
    yield services
    services.close()


def end_all(app, user):
    Sessions(app.services, app.store).end(user.user["_id"])


def test_a_token_names_its_user_session_role_and_name(app, user):
    claims = app.services.tokens.verify(user.token)
    assert claims.user == user.user["_id"] and claims.role == "user" and claims.scopes is None
    assert claims.username == user.user["username"]
    assert app.services.db["sessions"].find_one({"_id": claims.session})


def test_a_revoked_session_is_refused_at_once_in_another_process(app, user, other):
    other.tokens.verify(user.token)
    end_all(app, user)
    with pytest.raises(BadToken, match="revoked"):
        other.tokens.verify(user.token)


def test_a_revoked_session_is_refused_at_once_without_redis(app, user, without_redis):
    without_redis.tokens.verify(user.token)
    end_all(app, user)
    with pytest.raises(BadToken, match="revoked"):
        without_redis.tokens.verify(user.token)


def test_what_is_revoked_while_redis_is_away_is_told_to_redis_when_it_is_back(app, user, settings):
    ours, theirs = elsewhere(settings, redis_url=NOWHERE), elsewhere(settings)
    session = theirs.tokens.verify(user.token).session
    ours.tokens.liveness.end_grants([session])
    assert theirs.tokens.verify(user.token), "Redis was away and MongoDB still has the session"
    ours.redis = theirs.redis
    ours.tokens.liveness.breaker.worked()
    with pytest.raises(BadToken):
        ours.tokens.verify(user.token)
    with pytest.raises(BadToken):
        theirs.tokens.verify(user.token)
    ours.__dict__.pop("redis")
    ours.close()
    theirs.close()


def test_a_late_reader_cannot_undo_a_revocation(app, user, other):
    session = other.tokens.verify(user.token).session
    end_all(app, user)
    other.tokens.liveness.fill(f"auth:g:{session}", b"1")
    with pytest.raises(BadToken):
        other.tokens.verify(user.token)


def test_suspension_acts_at_once_in_another_process(app, user, other):
    other.tokens.verify(user.token)
    app.store.change("users", {"_id": user.user["_id"]}, set={"status": "suspended"})
    with pytest.raises(BadToken, match="revoked|suspended"):
        other.tokens.verify(user.token)


def test_a_new_role_acts_at_once_in_another_process(app, user, other):
    assert other.tokens.verify(user.token).role == "user"
    app.store.change("users", {"_id": user.user["_id"]}, set={"role": "moderator"})
    assert other.tokens.verify(user.token).role == "moderator"
    app.store.change("users", {"_id": user.user["_id"]}, set={"role": "user"})
    assert other.tokens.verify(user.token).role == "user"


def test_suspension_acts_at_once_without_redis(app, user, without_redis):
    without_redis.tokens.verify(user.token)
    app.store.change("users", {"_id": user.user["_id"]}, set={"status": "suspended"})
    with pytest.raises(BadToken, match="revoked|suspended"):
        without_redis.tokens.verify(user.token)


def test_a_token_of_a_deleted_user_is_refused(app, user, other):
    other.tokens.verify(user.token)
    app.store.remove("users", app.store.get("users", user.user["_id"]))
    with pytest.raises(BadToken):
        other.tokens.verify(user.token)


def test_a_verified_token_is_remembered_and_asked_for_in_one_round_trip(app, user):
    tokens = app.services.tokens
    tokens.verify(user.token)
    before = app.services.redis.info("commandstats")
    for _ in range(20):
        tokens.verify(user.token)
    after = app.services.redis.info("commandstats")
    calls = {
        name: stats["calls"] - before.get(name, {"calls": 0})["calls"]
        for name, stats in after.items()
        if name not in ("cmdstat_info", "cmdstat_ping")
    }
    assert {name: n for name, n in calls.items() if n} == {"cmdstat_mget": 20}


def test_the_memory_of_verified_tokens_is_bounded(app, user, monkeypatch):
    tokens = app.services.tokens
    monkeypatch.setattr("features.identity.tokens.CACHED", 3)
    session = tokens.verify(user.token).session
    for _ in range(6):
        tokens.verify(tokens.issue(user.user, session)[0])
    assert len(tokens.proofs) == 3


def test_a_remembered_token_still_expires(app, settings, user):
    services = elsewhere(settings, access_token_seconds=1)
    session = app.services.tokens.verify(user.token).session
    token, seconds = services.tokens.issue(user.user, session)
    assert seconds == 1
    services.tokens.verify(token)
    mark, proof = next(iter(services.tokens.proofs.items()))
    services.tokens.proofs[mark] = replace(proof, expires=0)
    assert not services.tokens.still_holds(services.tokens.proofs[mark])
    services.close()


def test_a_remembered_token_falls_with_its_key(app, user):
    tokens = app.services.tokens
    tokens.verify(user.token)
    proof = next(reversed(tokens.proofs.values()))
    assert tokens.still_holds(proof)
    assert not tokens.still_holds(replace(proof, kid="0" * 16))


def test_no_valid_token_is_refused_while_keys_rotate(app, settings, user):
    """Two processes issue and verify each other's tokens while a third rotates the keys."""
    session = app.services.tokens.verify(user.token).session
    one, two, operator = elsewhere(settings), elsewhere(settings), elsewhere(settings)
    done, refused, verified = threading.Event(), [], []

    def exchange(mine, theirs):
        while not done.is_set():
            token, _ = mine.tokens.issue(user.user, session)
            try:
                theirs.tokens.verify(token)
                verified.append(token)
            except BadToken as error:
                refused.append(str(error))

    threads = [threading.Thread(target=exchange, args=pair) for pair in ((one, two), (two, one))]
    [thread.start() for thread in threads]
    for _ in range(5):
        operator.tokens.ring.rotate()
        seen = len(verified)
        while len(verified) < seen + 50 and not refused:
            done.wait(0.01)
    done.set()
    [thread.join() for thread in threads]
    assert not refused and len(verified) >= 250
    [services.close() for services in (one, two, operator)]


@pytest.mark.slow
def test_checking_a_remembered_token_costs_far_less_than_a_signature(app):
    rows = measure(app.services)
    assert rows["the check without its round trip, remembered"]["ratio"] < 0.3
    assert rows["the check without its round trip, remembered"]["cpu_us"] < 100
