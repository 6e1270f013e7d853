"""What an older version left out of its documents is filled in, and only that."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

import tasks.all  # noqa: F401  registers the jobs
from features.playback.publish_jobs import publish_due
from machine.declare.indexes import build_indexes
from machine.jobs.runner import run_job
from machine.write.upgrade import upgrade_documents
from tests.audience import make_video


@pytest.fixture
def film(alice, name):
    channel = alice.post("/channels", {"handle": name, "name": "x"}).json["_id"]
    return alice.post("/videos", {"channel": channel, "title": "The Fox"}).json["_id"]


@pytest.fixture
def playlist(alice):
    return alice.post("/playlists", {"title": "Old", "visibility": "public"}).json["_id"]


def order(client, playlist):
    return [one["video"] for one in client.get(f"/playlists/{playlist}/items").json["_items"]]


def test_case_folded_copies_are_filled_once(app, film):
    videos = app.services.db.videos
    videos.update_one({"_id": ObjectId(film)}, {"$unset": {"title_key": 1}})
    assert upgrade_documents(app.store) == 1
    assert videos.find_one({"_id": ObjectId(film)})["title_key"] == "the fox"
    assert upgrade_documents(app.store) == 0


def test_items_of_old_playlists_keep_their_order_before_newer_ones(app, alice, film, playlist):
    channel = alice.get(f"/videos/{film}").json["channel"]
    films = [film, *(alice.post("/videos", {"channel": channel, "title": "x"}).json["_id"] for _ in range(3))]
    for one in films[:3]:
        assert alice.post("/playlist_items", {"playlist": playlist, "video": one}).status_code == 201
    app.services.db.playlist_items.update_many({"playlist": ObjectId(playlist)}, {"$unset": {"position": 1}})
    # Somebody adds and moves before `db migrate` comes by.
    added = alice.post("/playlist_items", {"playlist": playlist, "video": films[3]})
    assert added.status_code == 201
    assert alice.post(f"/playlist_items/{added.json['_id']}/move", {"after": None}).status_code == 200
    assert upgrade_documents(app.store) == 3
    assert order(alice, playlist) == films
    assert alice.post(f"/playlist_items/{added.json['_id']}/move", {"after": None}).status_code == 200
    assert order(alice, playlist) == [films[3], *films[:3]]


def test_search_is_refused_in_order_until_its_index_is_there(app, anonymous, film):
    app.services.db.videos.drop_index("words")
    try:
        answer = anonymous.get("/search?q=fox")
        assert answer.status_code == 503 and answer.headers["Retry-After"]
    finally:
        build_indexes(app.store)
    assert anonymous.get("/search?q=fox").status_code == 200


def test_jobs_that_waited_for_a_publication_go_and_the_video_is_published_all_the_same(app, film):
    subject, moment = {"resource": "videos", "id": ObjectId(film)}, datetime.now(UTC) - timedelta(minutes=1)
    app.services.db.videos.update_one({"_id": subject["id"]}, {"$set": {"publish_at": moment}})
    job = app.services.jobs.record("publish", subject, f"publish:{film}", {"publish_at": moment})
    assert upgrade_documents(app.store) == 1
    assert app.services.jobs.get(job["_id"]) is None
    assert publish_due(app.store) == 1
    assert app.store.get("videos", subject["id"])["visibility"] == "public"


def test_what_an_older_version_left_of_people_who_are_gone_is_erased(app, alice, film):
    db, gone = app.services.db, ObjectId()
    for name in ("reports", "events", "webhook_deliveries", "audit_log"):
        db[name].delete_many({})
    report = {
        "reporter": gone,
        "target_type": "video",
        "target": ObjectId(film),
        "reason": "spam",
        "details": "words",
    }
    db.reports.insert_one(report)
    event = {"owner": gone, "user": alice.user["_id"], "type": "comments.created", "resource": "comments",
             "subject": ObjectId(), "data": {"text": "words"}, "happened_at": datetime.now(UTC),
             "relayed_at": None}  # fmt: skip
    db.events.insert_one(event)
    delivery = {
        "webhook": ObjectId(),
        "event": event["_id"],
        "payload": {"data": {"text": "words"}},
        "_etag": "x",
    }
    db.webhook_deliveries.insert_one(delivery)

    assert upgrade_documents(app.store) == 2  # the author of the delivery, and the cascade
    for job in db.jobs.find({"type": "cascade", "state": "queued"}):
        run_job(job["_id"], app.services, app.store)

    left = db.reports.find_one({"_id": report["_id"]})
    assert (left["reporter"], left["details"], left["reason"]) == (None, None, "spam")
    assert db.events.find_one({"_id": event["_id"]})["data"] is None
    assert db.webhook_deliveries.find_one({"_id": delivery["_id"]})["payload"] == {"data": None}
    assert upgrade_documents(app.store) == 0


def test_public_videos_without_their_moment_are_stamped_once(app, alice, anonymous):
    """As a block that ended before blocks remembered anything has left them."""
    video = make_video(alice)
    channel = alice.get(f"/videos/{video}").json["channel"]
    app.services.db.videos.update_one({"_id": ObjectId(video)}, {"$set": {"published_at": None}})
    assert anonymous.get(f"/channels/{channel}/feed.atom").status_code == 200
    assert upgrade_documents(app.store) == 1
    stamped = app.store.get("videos", ObjectId(video))
    assert stamped["published_at"] and stamped["published_at"] <= stamped["_updated"]
    assert upgrade_documents(app.store) == 0
