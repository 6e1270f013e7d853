"""What belongs to a film that is locked is locked with it, on every way to it."""

import pytest
from bson import ObjectId

from tests.audience import make_ready


@pytest.fixture
def film(app, alice, name):
    """A public film with captions, and the ids of both."""
    channel = alice.post("/channels", {"handle": name, "name": "n"}).json
    made = alice.post("/videos", {"channel": channel["_id"], "title": "t", "visibility": "public"}).json
    make_ready(app.store, ObjectId(made["_id"]))
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


PLAYABLE = {
    "media": {"public_id": "marquee/x/1", "version": 1, "format": "mp4"},
    "renditions": [{"name": "240p", "width": 426, "height": 240, "bytes": 1, "format": "mp4", "eager": "w_426/mp4"}],
    "thumbnails": [{"name": "large", "width": 426, "height": 240, "bytes": 1, "format": "jpg", "eager": "w_426/jpg"}],
    "hls": "sp_sd/m3u8", "duration": 5.0,
}  # fmt: skip


def test_captions_of_an_age_restricted_film_are_for_those_who_signed_in_to_watch_it(
    app, alice, bob, carol, anonymous, film
):
    app.store.change("videos", {"_id": ObjectId(film[0])}, set={"age_restricted": True, **PLAYABLE})
    for way in ways(film):
        assert anonymous.get(way).status_code == 404
        assert alice.get(way).status_code == carol.get(way).status_code == 200
    play = f"/videos/{film[0]}/playback"
    assert anonymous.get(play).status_code == 401
    (caption,) = bob.get(play).json["captions"]
    assert anonymous.get(caption["url"].partition("/api/v1")[2]).status_code == 200, "it is signed"


def test_nothing_of_an_age_restricted_films_captions_is_found_by_asking_around(app, anonymous, film):
    app.store.change("videos", {"_id": ObjectId(film[0])}, set={"age_restricted": True})
    for path in (
        f'/captions?where={{"video":"{film[0]}"}}',
        f"/videos/{film[0]}/captions?fields=text",
        f"/captions/{film[1]}?fields=text",
        f"/captions/{film[1]}?embedded=video",
        f"/captions/{film[1]}/vtt?expires=99999999999&signature=" + "0" * 64,
    ):
        answer = anonymous.get(path)
        assert "Hello" not in answer.text and film[1] not in str(answer.json.get("_items"))
        assert answer.status_code in (400, 401, 403, 404) or answer.json["_items"] == []
