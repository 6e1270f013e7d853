"""When a document is erased, what referred to it goes, is orphaned or stays, one document at a time."""

import pytest

import machine.write.cascade_jobs  # noqa: F401  registers the job
from machine.jobs.runner import run_job


@pytest.fixture
def tree(app, name):
    store = app.store
    user = store.insert("users", {"username": name, "email": f"{name}@example.org", "status": "active"})
    channel = store.insert("channels", {"owner": user["_id"], "handle": name, "name": name})
    video = store.insert(
        "videos",
        {
            "channel": channel["_id"],
            "owner": user["_id"],
            "title": name,
            "visibility": "public",
            "status": "READY",
        },
    )
    comment = store.insert("comments", {"video": video["_id"], "author": user["_id"], "text": "hello"})
    reply = store.insert(
        "comments", {"video": video["_id"], "author": user["_id"], "parent": comment["_id"], "text": "hello"}
    )
    return {"user": user, "channel": channel, "video": video, "comment": comment, "reply": reply}


def run_all(app, kind):
    """Run every queued job of a type, as a worker would."""
    while (found := app.services.db.jobs.find_one({"type": kind, "state": "queued"})) is not None:
        run_job(found["_id"], app.services, app.store)


def test_erasing_a_comment_takes_its_replies_along(app, tree):
    app.store.erase("comments", app.store.get("comments", tree["comment"]["_id"]))
    run_all(app, "cascade")
    assert app.store.get("comments", tree["reply"]["_id"]) is None
    assert app.store.get("videos", tree["video"]["_id"])["counters"]["comments"] == 0


def test_erasing_a_channel_makes_its_videos_due_for_purge(app, tree):
    app.store.erase("channels", app.store.get("channels", tree["channel"]["_id"]))
    run_all(app, "cascade")
    assert app.store.get("videos", tree["video"]["_id"])["deleted_at"].year == 2000


def test_cascade_is_recorded_with_the_deletion(app, tree):
    app.store.erase("comments", app.store.get("comments", tree["comment"]["_id"]))
    record = app.services.db.jobs.find_one({"key": f"cascade:comments:{tree['comment']['_id']}"})
    assert record["state"] == "queued"


def test_cascade_begun_before_goes_on_where_it_was(app, tree):
    """A second run after a crash finds the rest and ends well."""
    store = app.store
    for number in range(5):
        store.insert(
            "comments",
            {
                "video": tree["video"]["_id"],
                "author": tree["user"]["_id"],
                "parent": tree["comment"]["_id"],
                "text": f"{number}",
            },
        )
    store.erase("comments", store.get("comments", tree["comment"]["_id"]))
    half = store.collection("comments").find_one({"parent": tree["comment"]["_id"]})
    store.erase("comments", half)
    run_all(app, "cascade")
    assert store.collection("comments").count_documents({"parent": tree["comment"]["_id"]}) == 0
