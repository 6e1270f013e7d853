"""The sweep: what is stuck keeps nothing else from its turn."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

import tasks.all  # noqa: F401  registers the jobs
from features.uploads import records as uploads
from machine.declare.registry import Registry, read_definitions
from machine.jobs.runner import run_job
from machine.jobs.sweep import BATCH, end_overdue_states, owe_purges, sweep
from machine.write.purge_jobs import purge_key
from machine.write.store import Store
from schemas._fields import choice, line, moment, ref, text

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_left(app):
    yield
    for name in ("videos", "jobs", "uploads"):
        app.services.db[name].delete_many({})


def delete_many(app, count, when=LONG_AGO):
    """Make videos that were deleted long ago, in one insert; return their ids."""
    made = [
        {"_id": ObjectId(), "title": "x", "owner": ObjectId(), "channel": ObjectId(), "visibility": "private",
         "status": "DRAFT", "deleted_at": when + timedelta(seconds=number)}
        for number in range(count)
    ]  # fmt: skip
    app.services.db.videos.insert_many(made)
    return [one["_id"] for one in made]


def purges(app, **match):
    return {job["subject"]["id"]: job for job in app.services.db.jobs.find({"type": "purge", **match})}


def test_dead_purges_keep_no_other_from_its_turn(app):
    stuck = delete_many(app, 2 * BATCH + 5)
    while len(purges(app)) < len(stuck):
        owe_purges(app.services, app.store)
        app.services.db.jobs.update_many({"type": "purge"}, {"$set": {"state": "dead"}})
    (video,) = delete_many(app, 1, LONG_AGO + timedelta(days=1))
    owe_purges(app.services, app.store)
    assert video in purges(app, state="queued")


@pytest.mark.slow
def test_one_sweep_owes_no_more_than_a_batch_and_the_rest_follows(app):
    delete_many(app, BATCH + 5)
    owe_purges(app.services, app.store)
    assert len(purges(app)) == BATCH
    for job in purges(app).values():
        run_job(job["_id"], app.services, app.store)
    owe_purges(app.services, app.store)
    assert len(purges(app, state="queued")) == 5


def test_video_that_was_restored_and_deleted_again_is_purged_in_the_end(app):
    """The purge of its first deletion found it restored, and has ended for good."""
    (video,) = delete_many(app, 1)
    owe_purges(app.services, app.store)
    (job,) = purges(app).values()
    app.services.db.videos.update_one({"_id": video}, {"$set": {"deleted_at": None}})
    run_job(job["_id"], app.services, app.store)
    assert app.services.jobs.get(job["_id"])["error"]["code"] == "restored"
    again = {"deleted_at": LONG_AGO + timedelta(days=9)}
    app.services.db.videos.update_one({"_id": video}, {"$set": again})
    sweep(app.services, app.store)
    job = app.services.db.jobs.find_one({"key": purge_key("videos", {"_id": video, **again})})
    run_job(job["_id"], app.services, app.store)
    assert app.services.db.videos.find_one({"_id": video}) is None


def test_late_purge_of_a_first_deletion_spares_what_was_deleted_again_just_now(app):
    (video,) = delete_many(app, 1)
    owe_purges(app.services, app.store)
    app.services.db.videos.update_one({"_id": video}, {"$set": {"deleted_at": datetime.now(UTC)}})
    (job,) = purges(app).values()
    run_job(job["_id"], app.services, app.store)
    assert app.services.db.videos.find_one({"_id": video})


# Uploads and jobs


def begin_silent(app, alice):
    """Begin an upload of a new video, from which nothing was heard for a minute."""
    channel = alice.post("/channels", {"handle": f"h{str(ObjectId())[-19:]}", "name": "x"}).json["_id"]
    video = alice.post("/videos", {"channel": channel, "title": "x"}).json["_id"]
    begun = uploads.begin(app.store, app.store.get("videos", ObjectId(video)), "multipart", -60)
    return ObjectId(video), begun["_id"]


def test_upload_that_cannot_be_ended_keeps_no_other_from_its_end(app, alice):
    (stuck, upload), (video, _) = begin_silent(app, alice), begin_silent(app, alice)
    app.services.db.uploads.update_one({"_id": upload}, {"$unset": {"back_to": 1}})
    sweep(app.services, app.store)
    assert app.store.get("videos", video)["status"] == "DRAFT"
    assert app.store.get("videos", stuck)["status"] == "UPLOADING", "its deadline will end it"


def test_jobs_of_a_newer_version_keep_no_job_of_this_one_from_its_turn(app):
    nothing = {"resource": None, "id": None}
    new = [app.services.jobs.record("from_the_future", nothing, f"new:{n}", deadline_seconds=0.001)["_id"]
           for n in range(BATCH)]  # fmt: skip
    known = app.services.jobs.record("purge", nothing, "known", deadline_seconds=0.001)["_id"]
    sweep(app.services, app.store)
    assert app.services.jobs.get(known)["state"] == "failed"
    assert {app.services.jobs.get(job)["state"] for job in new[:3]} == {"queued"}


PARCELS = {
    "schema": {
        "owner": ref("users", readonly=True),
        "state": choice("packed", "sent", "lost", readonly=True),
        "state_deadline": moment(readonly=True),
        "state_detail": {"type": "dict", "readonly": True, "nullable": True},
        "van": text(max=20, readonly=True, nullable=True),
        "label": line(max=20),
    },
    "policy": {
        "owner": "owner",
        "on_parent_delete": {"owner": "cascade"},
        "queries": [{"filter": ["owner"], "sort": "-_id"}],
        "states": {
            "state": {
                "start": "packed",
                "moves": {"packed": {"sent": ["server"]}, "sent": {"lost": ["server"]}},
                "deadlines": {
                    "sent": {
                        "after": "process_deadline_seconds",
                        "then": "lost",
                        "code": "late",
                        "clears": ["van"],
                    }
                },
            }
        },
    },
}


def test_deadline_of_any_resource_empties_what_it_declares_and_nothing_else(app, alice):
    store = Store(app.services, Registry({**read_definitions(), "parcels": PARCELS}))
    parcel = store.insert("parcels", {"owner": alice.user["_id"], "van": "blue", "label": "fragile"})
    store.move("parcels", {"_id": parcel["_id"]}, "state", "sent")
    app.services.db["parcels"].update_one({"_id": parcel["_id"]}, {"$set": {"state_deadline": LONG_AGO}})
    end_overdue_states(app.services, store)
    ended = store.get("parcels", parcel["_id"])
    assert (ended["state"], ended["van"], ended["label"]) == ("lost", None, "fragile")
    assert ended["state_detail"]["code"] == "late"
    assert set(ended) <= {*PARCELS["schema"], "_id", "_created", "_updated", "_etag"}
