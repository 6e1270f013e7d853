"""Who may watch what he may read: passwords, age restriction, downloads."""

import time

import pytest
from bson import ObjectId

from features.playback import unlocking
from tests.audience import make_watchable


@pytest.fixture
def locked(alice):
    video = make_watchable(alice)
    assert alice.put(f"/videos/{video}/password", {"password": "open sesame"}).json["protected"] is True
    return video


def unlock(client, video, password="open sesame"):
    return client.post(f"/videos/{video}/unlock", {"password": password})


def test_protected_video_can_be_read_and_not_watched(locked, bob, anonymous):
    for client in (bob, anonymous):
        assert client.get(f"/videos/{locked}").status_code == 200
        answer = client.get(f"/videos/{locked}/playback")
        assert (answer.status_code, answer.json["reason"]) == (403, "locked")


def test_password_gives_a_key_that_opens_it(locked, anonymous):
    key = unlock(anonymous, locked).json["unlock"]
    assert anonymous.get(f"/videos/{locked}/playback?unlock={key}").status_code == 200


def test_owner_and_moderator_need_no_key(locked, alice, carol):
    for client in (alice, carol):
        assert client.get(f"/videos/{locked}/playback").status_code == 200


@pytest.mark.parametrize("password", ["wrong", "Open sesame", "open sesame "])
def test_wrong_password_gives_nothing(locked, bob, password):
    answer = unlock(bob, locked, password)
    assert (answer.status_code, answer.json["reason"]) == (403, "locked")


@pytest.mark.parametrize("key", ["x", "99999999999.", "1.00", "\u00b2.x", "9" * 400 + ".x"])
def test_made_up_key_opens_nothing(locked, bob, key):
    assert bob.get(f"/videos/{locked}/playback", query_string={"unlock": key}).status_code == 403


def test_key_of_another_video_opens_nothing(locked, alice, bob):
    other = make_watchable(alice)
    alice.put(f"/videos/{other}/password", {"password": "open sesame"})
    key = unlock(bob, other).json["unlock"]
    assert bob.get(f"/videos/{locked}/playback?unlock={key}").status_code == 403


def test_key_expires(app, locked, bob, monkeypatch):
    key = unlock(bob, locked).json["unlock"]
    later = time.time() + app.settings.playback_seconds + 1
    monkeypatch.setattr(unlocking.time, "time", lambda: later)
    assert not unlocking.opens(app.services, ObjectId(locked), key)


def test_new_password_ends_old_keys(locked, alice, bob):
    key = unlock(bob, locked).json["unlock"]
    alice.put(f"/videos/{locked}/password", {"password": "something else"})
    assert bob.get(f"/videos/{locked}/playback?unlock={key}").status_code == 403


def test_password_can_be_taken_off(locked, alice, bob):
    assert bob.delete(f"/videos/{locked}/password").status_code == 403
    assert alice.delete(f"/videos/{locked}/password").json["protected"] is False
    assert bob.get(f"/videos/{locked}/playback").status_code == 200
    assert unlock(bob, locked).status_code == 409


def test_password_is_the_owners_to_set(alice, bob):
    video = make_watchable(alice)
    assert bob.put(f"/videos/{video}/password", {"password": "mine now"}).status_code == 403


def test_password_is_nowhere_in_the_clear(app, locked, alice):
    assert "sesame" not in alice.get(f"/videos/{locked}").text
    assert "sesame" not in str(app.services.db["video_passwords"].find_one({"_id": ObjectId(locked)}))


def test_age_restricted_video_needs_someone_signed_in(alice, bob, anonymous):
    video = make_watchable(alice, age_restricted=True)
    assert anonymous.get(f"/videos/{video}/playback").status_code == 401
    assert bob.get(f"/videos/{video}/playback").status_code == 200


def test_download_is_the_owners_to_offer(alice, bob, locked):
    video = make_watchable(alice)
    assert bob.get(f"/videos/{video}/download").status_code == 409
    assert "download" not in bob.get(f"/videos/{video}").json["_links"]
    alice.patch(f"/videos/{video}", {"downloads": True})
    assert bob.get(f"/videos/{video}/download").json["url"].startswith("http")
    alice.patch(f"/videos/{locked}", {"downloads": True})
    assert bob.get(f"/videos/{locked}/download").status_code == 403


def test_video_without_a_rendition_is_refused_and_told(app, alice, anonymous):
    """Bulk data may say READY of a film that has none."""
    video = make_watchable(alice)
    app.services.db["videos"].update_one({"_id": ObjectId(video)}, {"$set": {"renditions": []}})
    answer = anonymous.get(f"/videos/{video}/playback")
    assert (answer.status_code, answer.json["reason"]) == (409, "illegal_state")
