"""The store: writes outside Eve keep ETags, counters, folded copies and states as right as Eve's."""

import pytest
from bson import ObjectId

from machine.http.problem import Problem
from machine.write import events
from tests.audience import FILE, make_ready


@pytest.fixture
def channel(app, alice, name):
    return app.store.insert("channels", {"owner": alice.user["_id"], "handle": name.upper(), "name": "x"})


@pytest.fixture
def video(app, alice, channel):
    return app.store.insert(
        "videos",
        {"owner": alice.user["_id"], "channel": channel["_id"], "title": "x", "visibility": "public"},
    )


def count(app, channel):
    return app.store.get("channels", channel["_id"])["counters"]["videos"]


def test_insert_fills_times_etag_states_counters_and_folded_copies(app, channel, video):
    stored = app.store.get("videos", video["_id"])
    assert stored == video
    assert stored["status"] == "DRAFT" and stored["deleted_at"] is None and stored["status_deadline"] is None
    assert stored["_etag"] and stored["_created"] == stored["_updated"]
    assert channel["handle_key"] == channel["handle"].lower()


def test_insert_twice_is_a_409_with_the_declared_reason(app, alice, channel):
    with pytest.raises(Problem) as clash:
        app.store.insert(
            "channels", {"owner": alice.user["_id"], "handle": channel["handle"].lower(), "name": "x"}
        )
    assert (clash.value.code, clash.value.reason) == (409, "handle_taken")


def test_change_renews_etag_and_folded_copy(app, channel, name):
    after = app.store.change("channels", {"_id": channel["_id"]}, set={"handle": "New" + name})
    assert after["_etag"] != channel["_etag"] and after["handle_key"] == "new" + name


def test_change_of_nothing_answers_none(app, channel):
    assert app.store.change("channels", {"_id": ObjectId()}, set={"name": "y"}) is None
    assert app.store.change("channels", {"_id": channel["_id"], "name": "other"}, set={"name": "y"}) is None
    assert app.store.get("channels", channel["_id"])["name"] == "x"


def test_start_values_are_not_shared_between_documents(app, alice, name):
    one = app.store.insert("channels", {"owner": alice.user["_id"], "handle": name + "1", "name": "x"})
    one["counters"]["videos"] = 99
    two = app.store.insert("channels", {"owner": alice.user["_id"], "handle": name + "2", "name": "x"})
    assert two["counters"]["videos"] == 0


def test_legal_move_sets_and_clears_the_deadline(app, video):
    match = {"_id": video["_id"]}
    moved = app.store.move("videos", match, "status", "UPLOADING")
    assert moved["status"] == "UPLOADING" and moved["status_deadline"] is not None
    moved = app.store.move("videos", match, "status", "PROCESSING")
    assert app.store.move("videos", match, "status", "READY", set=FILE)["status_deadline"] is None


def test_illegal_move_changes_nothing(app, video):
    assert app.store.move("videos", {"_id": video["_id"]}, "status", "READY") is None
    assert app.store.get("videos", video["_id"]) == video


def test_counter_follows_the_moment_a_document_begins_and_ceases_to_count(app, channel, video):
    assert count(app, channel) == 0
    match = {"_id": video["_id"]}
    make_ready(app.store, video["_id"])
    assert count(app, channel) == 1
    app.store.change("videos", match, set={"title": "y"})
    assert count(app, channel) == 1
    app.store.change("videos", match, set={"visibility": "unlisted"})
    assert count(app, channel) == 0


def test_counter_follows_a_document_that_changes_sides(app, alice, channel, video, name):
    other = app.store.insert("channels", {"owner": alice.user["_id"], "handle": name + "b", "name": "x"})
    make_ready(app.store, video["_id"])
    app.store.change("videos", {"_id": video["_id"]}, set={"channel": other["_id"]})
    assert (count(app, channel), count(app, other)) == (0, 1)


def test_soft_removal_counts_once_and_refuses_the_second_time(app, channel, video):
    ready = make_ready(app.store, video["_id"])
    assert app.store.remove("videos", ready) is True
    assert app.store.remove("videos", ready) is False
    deleted = app.store.get("videos", video["_id"])
    assert deleted["deleted_at"] and count(app, channel) == 0
    assert app.store.remove("videos", deleted) is True
    assert app.store.get("videos", video["_id"]) is None and count(app, channel) == 0


def test_removal_of_what_has_changed_since_is_refused(app, video):
    app.store.change("videos", {"_id": video["_id"]}, set={"title": "y"})
    assert app.store.remove("videos", video) is False
    assert app.store.get("videos", video["_id"])["deleted_at"] is None


def test_removal_of_a_parent_owes_the_cascade_once(app, channel, video):
    assert app.store.remove("channels", app.store.get("channels", channel["_id"]))
    owed = list(app.services.db["jobs"].find({"subject.id": channel["_id"], "type": "cascade"}))
    assert len(owed) == 1


def test_transaction_that_fails_leaves_nothing(app, alice, name):
    def work(session):
        app.store.insert(
            "channels", {"owner": alice.user["_id"], "handle": name, "name": "x"}, session=session
        )
        raise ValueError("stop")

    before = app.store.get("users", alice.user["_id"])["counters"]["channels"]
    with pytest.raises(ValueError, match="stop"):
        app.store.in_transaction(work)
    assert app.store.collection("channels").find_one({"handle": name}) is None
    assert app.store.get("users", alice.user["_id"])["counters"]["channels"] == before


@pytest.mark.parametrize("write", ["insert", "change", "remove", "erase"])
def test_document_and_the_record_of_what_happened_come_together_or_not_at_all(
    app, channel, monkeypatch, name, write
):
    """Who dies between the two would leave a document that nobody is ever told of."""

    def die(*_):
        raise KeyboardInterrupt

    before = app.store.get("channels", channel["_id"])
    logged = app.services.db["events"].count_documents({"resource": "channels"})
    monkeypatch.setattr(events, "moments", die)
    with pytest.raises(KeyboardInterrupt):
        if write == "insert":
            app.store.insert("channels", {"owner": channel["owner"], "handle": f"{name}2", "name": "x"})
        elif write == "change":
            app.store.change("channels", {"_id": channel["_id"]}, set={"name": "y"})
        else:
            getattr(app.store, write)("channels", before)
    assert app.store.get("channels", channel["_id"]) == before
    assert app.store.collection("channels").find_one({"handle": f"{name}2"}) is None
    assert app.services.db["events"].count_documents({"resource": "channels"}) == logged
