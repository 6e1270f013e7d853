"""The key ring: who may sign with what, for how long, and that all processes agree."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from features.identity.signing_keys import COLLECTION, KeyRing, KeysUnusable
from tests.identity import elsewhere


@pytest.fixture
def db(app):
    app.services.db[COLLECTION].drop()
    return app.services.db


@pytest.fixture
def ring(db, settings):
    return KeyRing(db, settings)


def in_production(settings, **changes):
    return replace(settings, environment="production", **changes)


def test_development_makes_its_keys_on_first_use(ring):
    key, private = ring.signing()
    assert key.state == "active" and key.development and private is not None


def test_production_makes_no_keys_by_itself(db, settings):
    with pytest.raises(KeysUnusable, match="keys rotate"):
        KeyRing(db, in_production(settings)).signing()


def test_production_refuses_keys_made_for_development(db, settings, ring):
    kid = ring.signing()[0].kid
    production = KeyRing(db, in_production(settings))
    with pytest.raises(KeysUnusable, match="development"):
        production.signing()
    assert production.verifying(kid) is None


def test_rotation_in_production_replaces_development_keys_altogether(db, settings, ring):
    ring.signing()
    production = KeyRing(db, in_production(settings))
    production.rotate()
    assert not production.signing()[0].development
    assert [key["development"] for key in production.listing() if key["state"] != "retired"] == [False, False]


def test_processes_that_start_together_agree_on_one_ring(db, settings):
    rings = [KeyRing(db, settings) for _ in range(8)]
    start, kids = threading.Barrier(8), []

    def begin(ring):
        start.wait()
        kids.append(ring.signing()[0].kid)

    threads = [threading.Thread(target=begin, args=(ring,)) for ring in rings]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(kids) == 8 and len(set(kids)) == 1


def test_rotation_promotes_the_key_that_was_published_before(ring):
    ring.signing()
    upcoming = next(key["kid"] for key in ring.listing() if key["state"] == "next")
    assert upcoming in [key["kid"] for key in ring.published()]
    assert ring.rotate() == upcoming


def test_concurrent_rotations_leave_one_active_and_one_next_key(db, settings, ring):
    ring.signing()
    threads = [threading.Thread(target=KeyRing(db, settings).rotate) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    states = [key["state"] for key in ring.listing()]
    assert states.count("active") == states.count("next") == 1


def test_a_retired_key_verifies_until_its_time_and_not_longer(db, ring):
    retired = ring.signing()[0].kid
    ring.rotate()
    assert ring.verifying(retired).state == "retired"
    past = datetime.now(UTC) - timedelta(seconds=1)
    db[COLLECTION].update_one({"keys.kid": retired}, {"$set": {"keys.$.expires_at": past}})
    ring.refresh(older_than=0)
    assert ring.verifying(retired) is None
    assert retired not in [key["kid"] for key in ring.published()]


def test_another_process_learns_of_a_new_key_when_it_meets_one(db, settings, ring):
    ring.signing()
    other = KeyRing(db, settings)
    other.signing()
    ring.rotate()
    ring.rotate()
    assert other.verifying(ring.signing()[0].kid) is not None


def test_private_keys_are_sealed_with_the_secret_key(db, settings, ring):
    ring.signing()
    stranger = KeyRing(db, replace(settings, secret_key="x" * 40))
    with pytest.raises(KeysUnusable, match="SECRET_KEY"):
        stranger.signing()
    stranger.rotate()
    assert stranger.signing()[1] is not None


def test_published_keys_hold_nothing_private(ring):
    ring.signing()
    assert [set(key) for key in ring.published()] == [{"kty", "crv", "use", "alg", "kid", "x"}] * 2


def test_known_keys_verify_while_mongodb_is_away(db, settings, ring):
    kid = ring.signing()[0].kid
    away = elsewhere(settings, mongo_uri="mongodb://127.0.0.1:1/x", mongo_timeout_seconds=0.1)
    ring.collection = away.db[COLLECTION]
    ring.refresh(older_than=0)
    assert ring.verifying(kid) is not None
    away.close()


def test_development_publishes_keys_before_anyone_has_signed_in(ring):
    assert len(ring.published()) == 2


def test_a_key_that_is_distrusted_is_refused_at_once(db, settings, ring):
    leaked = ring.signing()[0].kid
    ring.rotate(distrust=True)
    assert ring.verifying(leaked) is None
    assert KeyRing(db, settings).verifying(leaked) is None
    assert ring.signing()[0].kid != leaked
