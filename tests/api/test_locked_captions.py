"""What belongs to a film that is locked is locked with it, on every way to it."""

import pytest
from bson import ObjectId

from policy.store import now


@pytest.fixture
def film(app, alice, name):
    """A public film with captions, and the ids of both."""
    channel = alice.post("/channels", {"handle": name, "name": "n"}).json
    made = alice.post("/videos", {"channel": channel["_id"], "title": "t", "visibility": "public"}).json
    for state in ("UPLOADING", "PROCESSING", "READY"):
        assert app.store.move(
            "videos", {"_id": ObjectId(made["_id"])}, "status", state, set={"published_at": now()}
        )
    text = "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n"
    answer = alice.post(f"/videos/{made['_id']}/captions", {"language": "en", "text": text})
    assert answer.status_code == 201, answer.json
    return made["_id"], answer.json["_id"]


def ways(film):
    video, caption = film
    return [f"/captions/{caption}", f"/videos/{video}/captions"]


def test_captions_of_an_open_film_are_for_everyone(anonymous, film):
    assert [anonymous.get(way).status_code for way in ways(film)] == [200, 200]


def test_captions_of_a_locked_film_are_for_its_owner(app, alice, bob, carol, anonymous, film):
    app.store.change("videos", {"_id": ObjectId(film[0])}, set={"protected": True})
    for way in ways(film):
        assert anonymous.get(way).status_code == bob.get(way).status_code == 404
        assert alice.get(way).status_code == carol.get(way).status_code == 200
