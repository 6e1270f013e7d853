"""What is copied in the very moment in which its person leaves is not left behind."""

import pytest
from bson import ObjectId

import tasks.all  # noqa: F401  registers every job
from features.identity import exports
from features.notices.relay_jobs import owe_delivery, relay_events
from machine.jobs.runner import run_job
from tests.audience import make_comment, make_video
from tests.conftest import sign_up
from tests.erasure import work


@pytest.fixture
def guest(app, name):
    return sign_up(app, name)


def leave(app, guest):
    """Erase an account, and deal with what referred to it."""
    app.store.erase("users", app.store.get("users", guest.user["_id"]))
    work(app)


def hook(app, owner):
    webhook = {"url": "https://example.invalid/x", "events": [], "owner": owner.user["_id"], "active": True}
    return app.store.insert("webhooks", webhook)


def test_delivery_that_was_about_to_be_written_holds_no_words(app, erin, guest):
    """The relay has read the event when the cascade blanks it, and copies it when the cascade is through."""
    webhook = hook(app, erin)
    comment = make_comment(guest, make_video(erin), "my own words")
    event = app.services.db["events"].find_one({"subject": ObjectId(comment), "type": "comments.created"})
    assert event["data"]["text"] == "my own words"
    leave(app, guest)
    app.services.db["webhook_deliveries"].delete_many({"event": event["_id"]})

    delivery = owe_delivery(app.store, webhook, {**event, "user": erin.user["_id"]})

    assert delivery["payload"]["data"] is None and delivery["author"] is None


def test_event_that_comes_after_the_departure_is_nobodys(app, erin, guest):
    """A request that was on its way writes a comment when the cascade has been."""
    hook(app, erin)
    video = make_video(erin)
    work(app)
    leave(app, guest)
    late = {"video": ObjectId(video), "author": guest.user["_id"], "text": "late words"}
    comment = app.store.insert("comments", late)
    while relay_events(app.store):
        pass
    (event,) = app.services.db["events"].find({"subject": comment["_id"]})
    assert (event["owner"], event["data"], event["user"]) == (None, None, erin.user["_id"])
    assert app.services.db["webhook_deliveries"].find_one({"event": event["_id"]})["payload"]["data"] is None


@pytest.mark.parametrize("when", ["while it is made", "afterwards"])
def test_export_does_not_outlive_its_person(app, guest, monkeypatch, when):
    owed = app.services.jobs.record(
        "export",
        {"resource": "users", "id": guest.user["_id"]},
        f"export:{ObjectId()}",
        owner=guest.user["_id"],
    )
    keep = exports.keep

    def keep_and_leave(*args):
        """The person leaves, and the cascade has looked for exports, before this one is kept."""
        leave(app, guest)
        keep(*args)

    if when == "while it is made":
        monkeypatch.setattr("features.identity.export_jobs.exports.keep", keep_and_leave)
    run_job(owed["_id"], app.services, app.store)
    if when == "afterwards":
        assert exports.find(app.services.db, owed["_id"], guest.user["_id"])
        leave(app, guest)
    assert app.services.db["exports.files"].count_documents({"metadata.user": guest.user["_id"]}) == 0
    assert app.services.db["exports.chunks"].count_documents({"files_id": owed["_id"]}) == 0


def test_two_who_reported_the_same_can_leave(app, erin, name):
    """Without a reporter, reports of one thing do not clash in the index that keeps one from reporting twice."""
    video, people = make_video(erin), [sign_up(app, name + "a"), sign_up(app, name + "b")]
    for one in people:
        body = {"target_type": "video", "target": video, "reason": "spam", "details": "words"}
        assert one.post("/reports", body).status_code == 201
    for one in people:
        leave(app, one)
    left = list(app.services.db["reports"].find({"target": ObjectId(video)}))
    assert [(one["reporter"], one["details"], one["reason"]) for one in left] == [(None, None, "spam")] * 2
