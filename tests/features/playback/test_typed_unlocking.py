"""Passwords of videos as keyboards send them; an old hash is renewed and no key ends by that."""

import unicodedata

import pytest
from bson import ObjectId

from features.identity.passwords import as_bytes
from tests.field_reports import reported
from tests.studio import refused

COMPOSED, DECOMPOSED = "caf\u00e9 au lait", "cafe\u0301 au lait"


@pytest.fixture
def film(studio):
    return studio.film()


def unlock(who, film, password):
    return who.post(f"/videos/{film}/unlock", {"password": password})


def keep_as_once(app, film, password):
    """Store a hash as versions before did: of the very bytes that came."""
    encoded = app.services.passwords.hasher.hash(as_bytes(password))
    app.services.db["video_passwords"].update_one({"_id": ObjectId(film)}, {"$set": {"hash": encoded}})


@reported(
    "Signing in", "The password of a film, sent around in a message, opens it on some devices only",
    sent="set as `caf\\u00e9 au lait`, unlocked with `cafe\\u0301 au lait`", back="200 and a key",
)  # fmt: skip
@pytest.mark.parametrize(("chosen", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_password_of_a_film_is_one_however_its_letters_are_composed(film, alice, bob, chosen, typed):
    assert alice.put(f"/videos/{film}/password", {"password": chosen}).status_code == 200
    assert unlock(bob, film, typed).status_code == unlock(bob, film, chosen).status_code == 200
    refused(unlock(bob, film, "cafe au lait"), 403)


def test_old_hash_is_renewed_by_unlocking_and_keys_of_the_password_stay(app, film, alice, bob, anonymous):
    alice.put(f"/videos/{film}/password", {"password": COMPOSED})
    keep_as_once(app, film, DECOMPOSED)
    refused(unlock(anonymous, film, COMPOSED), 403)
    keys = [unlock(bob, film, typed).json["unlock"] for typed in (DECOMPOSED, COMPOSED)]
    for key in keys:
        # Nothing was ever uploaded here; who gets past the lock is told that.
        assert bob.get(f"/videos/{film}/playback?unlock={key}").json.get("reason") != "locked"
    alice.put(f"/videos/{film}/password", {"password": "another one"})
    for key in keys:
        assert refused(bob.get(f"/videos/{film}/playback?unlock={key}"), 403) == "locked"


def test_password_may_not_be_the_title_however_that_is_composed(film, alice):
    alice.patch(f"/videos/{film}", {"title": COMPOSED})
    refused(alice.put(f"/videos/{film}/password", {"password": DECOMPOSED.upper()}), 422)


def test_length_is_counted_as_it_is_kept(film, alice, bob):
    password = unicodedata.normalize("NFD", "비밀번호" * 64)
    assert len(password) > 256
    assert alice.put(f"/videos/{film}/password", {"password": password}).status_code == 200
    assert unlock(bob, film, password).status_code == 200
