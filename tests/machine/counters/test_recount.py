"""Counters follow documents exactly, and a recount repairs drift without losing what happens meanwhile."""

import threading

import pytest
from bson import ObjectId

from machine.counters.recount import verify


@pytest.fixture
def video(app, name):
    """A public video in a channel, with nobody in between."""
    store = app.store
    user = store.insert("users", {"username": name, "email": f"{name}@example.org", "status": "active"})
    channel = store.insert("channels", {"owner": user["_id"], "handle": name, "name": name})
    video = {
        "channel": channel["_id"],
        "owner": user["_id"],
        "title": name,
        "visibility": "public",
        "status": "READY",
    }
    return store.insert("videos", video)


def comment_on(app, video):
    return app.store.insert("comments", {"video": video["_id"], "author": video["owner"], "text": "hello"})


def counter(app, video):
    return app.store.get("videos", video["_id"])["counters"]["comments"]


def test_counter_follows_insert_state_and_delete(app, video):
    one, two = comment_on(app, video), comment_on(app, video)
    assert counter(app, video) == 2
    app.store.move("comments", {"_id": one["_id"]}, "status", "rejected")
    assert counter(app, video) == 1
    app.store.erase("comments", two)
    assert counter(app, video) == 0


def test_counter_change_leaves_the_parents_etag(app, video):
    comment_on(app, video)
    assert app.store.get("videos", video["_id"])["_etag"] == video["_etag"]


def test_soft_deleted_video_no_longer_counts(app, video):
    def videos():
        return app.store.get("channels", video["channel"])["counters"]["videos"]

    assert videos() == 1
    assert app.store.remove("videos", app.store.get("videos", video["_id"]))
    assert videos() == 0


def test_verify_reports_drift_and_leaves_it(app, video):
    comment_on(app, video)
    app.store.collection("videos").update_one({"_id": video["_id"]}, {"$set": {"counters.comments": 7}})
    drifts = [drift for drift in verify(app.store, settle=0.01) if drift.id == video["_id"]]
    assert [(d.counter, d.stored, d.counted, d.fixed) for d in drifts] == [("counters.comments", 7, 1, None)]
    assert counter(app, video) == 7


def test_fix_repairs_drift_and_a_second_look_finds_none(app, video):
    comment_on(app, video)
    app.store.collection("videos").update_one({"_id": video["_id"]}, {"$set": {"counters.comments": 7}})
    assert all(drift.fixed for drift in list(verify(app.store, fix=True, settle=0.01)))
    assert counter(app, video) == 1
    assert list(verify(app.store, settle=0.01)) == []


def test_write_during_the_repair_is_not_overwritten(app, video):
    """A child that arrives while the recount waits must survive the repair."""
    app.store.collection("videos").update_one({"_id": video["_id"]}, {"$set": {"counters.comments": 5}})
    found = []
    repair = threading.Thread(target=lambda: found.extend(verify(app.store, fix=True, settle=0.3)))
    repair.start()
    for _ in range(3):
        comment_on(app, video)
    repair.join()
    assert counter(app, video) == 3
    assert list(verify(app.store, settle=0.01)) == []


def test_counter_between_document_and_increment_is_no_drift(app, video):
    """A child whose `$inc` is still on its way is not drift, and is not repaired into a double count."""
    app.store.collection("comments").insert_one(
        {"_id": ObjectId(), "video": video["_id"], "author": video["owner"], "status": "published"}
    )
    inc = threading.Timer(
        0.1,
        lambda: app.store.collection("videos").update_one(
            {"_id": video["_id"]}, {"$inc": {"counters.comments": 1, "counters_rev": 1}}
        ),
    )
    inc.start()
    assert [d for d in verify(app.store, fix=True, settle=0.5) if d.id == video["_id"]] == []
    inc.join()
    assert counter(app, video) == 1
