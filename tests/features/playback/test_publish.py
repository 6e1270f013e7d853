"""Publication at its moment: found by looking, so that no crash can skip it; public and published, or neither."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from features.playback import publish_jobs as publish
from tests.audience import make_video

MINUTE = timedelta(minutes=1)


def stored(app, video):
    return app.store.get("videos", ObjectId(video))


def plan(app, video, moment, **facts):
    """Set the moment without a request, as a process that died right after its write would leave it."""
    app.services.db["videos"].update_one({"_id": ObjectId(video)}, {"$set": {"publish_at": moment, **facts}})


def published(app, video):
    match = {"type": "videos.published", "subject": ObjectId(video)}
    return app.services.db["events"].count_documents(match)


def test_what_is_due_is_published_once_and_the_rest_waits(app, alice):
    due, later, gone = (make_video(alice, visibility="private") for _ in range(3))
    moment = datetime.now(UTC)
    plan(app, due, moment - MINUTE)
    plan(app, later, moment + MINUTE)
    plan(app, gone, moment - MINUTE, deleted_at=moment)
    assert publish.publish_due(app.store) == 1
    assert publish.publish_due(app.store) == 0
    shown = stored(app, due)
    assert (shown["visibility"], shown["publish_at"]) == ("public", None) and shown["published_at"]
    assert published(app, due) == 1
    assert {stored(app, one)["visibility"] for one in (later, gone)} == {"private"}


def test_video_that_is_not_ready_becomes_public_and_is_published_when_it_is(app, alice):
    video = make_video(alice, visibility="private")
    plan(app, video, datetime.now(UTC) - MINUTE, status="PROCESSING")
    assert publish.publish_due(app.store) == 1
    assert stored(app, video)["visibility"] == "public" and not stored(app, video)["published_at"]


def test_one_that_fails_keeps_no_other_from_its_turn(app, alice, monkeypatch):
    bad, good = (make_video(alice, visibility="private") for _ in range(2))
    for video in (bad, good):
        plan(app, video, datetime.now(UTC) - MINUTE)
    make_public = publish.make_public

    def refuse(store, video):
        if video["_id"] == ObjectId(bad):
            raise RuntimeError
        return make_public(store, video)

    monkeypatch.setattr(publish, "make_public", refuse)
    publish.publish_due(app.store)
    assert stored(app, good)["visibility"] == "public" and stored(app, bad)["visibility"] == "private"
    monkeypatch.undo()
    assert publish.publish_due(app.store) == 1


@pytest.mark.parametrize("way", ["action", "moment", "edit"])
def test_public_and_published_are_one_write(app, alice, way):
    video = make_video(alice, visibility="private")
    seen = []
    app.store.effects.listeners.append(lambda resource, before, after, session: seen.append(after))
    if way == "action":
        assert alice.post(f"/videos/{video}/publish").json["published_at"]
    elif way == "edit":
        assert alice.patch(f"/videos/{video}", {"visibility": "public"}).json["published_at"]
    else:
        plan(app, video, datetime.now(UTC) - MINUTE)
        assert publish.publish_due(app.store) == 1
    app.store.effects.listeners.pop()
    assert [(one["visibility"], bool(one["published_at"])) for one in seen] == [("public", True)]
    assert published(app, video) == 1


def test_due_videos_are_found_by_an_index(app):
    chosen = app.services.db["videos"].find(publish.DUE).explain()["queryPlanner"]["winningPlan"]
    assert "by_publication" in str(chosen)
