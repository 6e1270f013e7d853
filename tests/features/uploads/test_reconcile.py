"""Comparing the files at Cloudinary with the database: nothing of value is deleted, nothing of nobody's stays."""

from dataclasses import replace
from datetime import timedelta

import pytest
from bson import ObjectId
from prometheus_client import REGISTRY

from dev.stack import Stack
from features.backend import Backend
from features.uploads import reconcile_jobs as compare
from machine.jobs.runner import run_job
from machine.write.store import Store
from settings import Settings
from tests.platform import CLIPS

CLIP = CLIPS / "carphone_distorted.mp4"


@pytest.fixture(scope="module")
def store(app, tmp_path_factory):
    """A store with a real local Cloudinary beside it."""
    with Stack(tmp_path_factory.mktemp("media"), parts=("cloudinary",)) as stack:
        account = Settings.from_env(stack.env)
        names = ("cloudinary_url", "media_api_url", "media_delivery_url", "media_token_key")
        settings = replace(app.settings, **{name: getattr(account, name) for name in names})
        services = Backend(settings)
        yield Store(services, app.registry)
        services.close()


@pytest.fixture(autouse=True)
def empty(store):
    yield
    for name in ("videos", "orphans", "reconciliations", "jobs", "uploads"):
        store.services.db[name].delete_many({})
    for name, _ in list(store.services.media.names("marquee/", "video")):
        store.services.media.destroy(name)


@pytest.fixture
def old(monkeypatch):
    """Let every file count as old enough."""
    monkeypatch.setattr(compare, "least_age", lambda settings: timedelta(0))


def home(store):
    """Return the owner and the channel of a new video."""
    name = f"n{ObjectId()}"
    owner = store.insert("users", {"username": name, "role": "user", "status": "active"})["_id"]
    channel = store.insert("channels", {"handle": name[-20:], "name": name, "owner": owner})["_id"]
    return {"owner": owner, "channel": channel}


def put(store, name):
    return store.services.media.store(CLIP, name, [])


def files(store):
    return [name for name, _ in store.services.media.names("marquee/", "video")]


def work_off(store):
    for job in list(store.services.db.jobs.find({"state": "queued"})):
        run_job(job["_id"], store.services, store)


def test_file_of_nobody_is_suspected_first_and_deleted_by_the_next_run(store, old):
    put(store, f"marquee/{ObjectId()}/1")
    first = compare.reconcile(store)
    assert (first.suspects, first.deleted) == (1, 0)
    work_off(store)
    assert len(files(store)) == 1
    second = compare.reconcile(store)
    assert (second.suspects, second.deleted) == (0, 1)
    work_off(store)
    assert files(store) == []
    assert store.services.db.reconciliations.count_documents({}) == 2


def test_young_file_is_left_alone(store):
    put(store, f"marquee/{ObjectId()}/1")
    for _ in range(2):
        assert compare.reconcile(store).young == 1
    assert len(files(store)) == 1


def test_dry_run_changes_nothing(store, old):
    put(store, f"marquee/{ObjectId()}/1")
    for _ in range(3):
        report = compare.reconcile(store, dry_run=True)
        assert (report.suspects, report.deleted) == (1, 0)
    assert (
        store.services.db.jobs.count_documents({})
        == store.services.db.reconciliations.count_documents({})
        == 0
    )


@pytest.mark.parametrize("way", ["media", "pending", "incoming"])
def test_file_that_somebody_needs_is_known(store, old, way):
    video, upload = ObjectId(), ObjectId()
    document = {
        "_id": video,
        **home(store),
        "title": "x",
        "visibility": "private",
    }
    name = f"marquee/{video}/3"
    if way == "media":
        document["media"] = {"public_id": name}
    elif way == "pending":
        document["pending_media"] = {"version": 3}
    else:
        name = f"marquee/incoming/{upload}"
        store.services.db.uploads.insert_one({"_id": upload, "state": "open"})
    store.insert("videos", document)
    put(store, name)
    for _ in range(2):
        report = compare.reconcile(store)
        assert (report.suspects, report.deleted) == (0, 0)


def test_one_run_deletes_no_more_than_the_cap(store, old, monkeypatch):
    monkeypatch.setattr(compare, "CAP", 2)
    for _ in range(5):
        put(store, f"marquee/{ObjectId()}/1")
    compare.reconcile(store)
    report = compare.reconcile(store)
    assert (report.deleted, report.capped) == (2, 3)


def test_suspect_that_found_its_owner_is_forgotten(store, old):
    video = ObjectId()
    put(store, f"marquee/{video}/1")
    assert compare.reconcile(store).suspects == 1
    store.insert("videos", {
        "_id": video, **home(store), "title": "x", "visibility": "private",
        "media": {"public_id": f"marquee/{video}/1"},
    })  # fmt: skip
    assert compare.reconcile(store).deleted == 0
    assert store.services.db.orphans.count_documents({}) == 0


@pytest.fixture
def film(store):
    """A READY video and the name of its file, which is not there."""
    video = ObjectId()
    store.insert("videos", {
        "_id": video, **home(store), "title": "x", "visibility": "private",
        "status": "READY", "media": {"public_id": f"marquee/{video}/1"},
    })  # fmt: skip
    return video, f"marquee/{video}/1"


def told(store, video):
    return (store.get("videos", video).get("status_detail") or {}).get("code")


def test_ready_video_without_its_file_is_reported_and_its_owner_told(store, film):
    video, name = film
    report = compare.reconcile(store)
    assert report.missing == 1 and report.missing_names == [name]
    assert store.get("videos", video)["status"] == "READY", "the file may come back"
    assert told(store, video) == "media_missing"
    assert REGISTRY.get_sample_value("marquee_media_missing") == 1
    etag = store.get("videos", video)["_etag"]
    assert compare.reconcile(store).missing == 1
    assert store.get("videos", video)["_etag"] == etag, "it is said once"


def test_what_was_said_of_a_missing_file_is_taken_back_when_it_is_there(store, film):
    video, name = film
    compare.reconcile(store)
    put(store, name)
    assert compare.reconcile(store).missing == 0
    assert told(store, video) is None and REGISTRY.get_sample_value("marquee_media_missing") == 0


def test_dry_run_names_what_is_missing_and_tells_nobody(store, film):
    assert compare.reconcile(store, dry_run=True).missing == 1
    assert told(store, film[0]) is None


def test_file_that_came_after_the_list_was_read_is_not_missing(store, film, monkeypatch):
    video, name = film
    put(store, name)
    monkeypatch.setattr(store.services.media, "names", lambda prefix, kind: iter(()))
    assert compare.reconcile(store).missing == 0
    assert told(store, video) is None
    monkeypatch.undo()


def test_owner_of_a_missing_file_is_offered_an_upload(store, app, alice, film):
    video, _ = film
    app.services.db.videos.update_one({"_id": video}, {"$set": {"owner": alice.user["_id"]}})
    compare.reconcile(store)
    shown = alice.get(f"/videos/{video}").json
    assert shown["status_detail"]["code"] == "media_missing" and "upload" in shown["_links"]


def test_file_outside_our_folder_is_never_touched(store, old):
    put(store, "somebody/else")
    for _ in range(2):
        assert compare.reconcile(store).files == 0
    assert store.services.media.destroy("somebody/else")
