"""Notifications: who hears of what, grouped, read, switched off, and streamed."""

import time

import pytest
from bson import ObjectId

from tests.audience import latest_event, make_channel, make_comment, make_video, pass_on, pass_on_again
from tests.conftest import sign_up


@pytest.fixture(autouse=True)
def quiet(app):
    """Begin each test with nothing to tell."""
    pass_on(app)
    app.services.db["notifications"].delete_many({})


def kinds(client):
    return sorted((one["kind"], one["count"]) for one in client.get("/notifications").json["_items"])


def publish(app, owner, channel):
    """Publish a video as the worker does."""
    video = make_video(owner, channel, visibility="private")
    owner.patch(f"/videos/{video}", {"visibility": "public"})
    return video


def test_new_video_reaches_the_subscribers_of_its_channel(app, alice, bob, carol):
    channel = make_channel(alice)
    bob.put(f"/channels/{channel}/subscription")
    carol.put(f"/channels/{channel}/subscription", {"level": "none"})

    video = publish(app, alice, channel)
    pass_on(app)

    assert kinds(bob) == [("new_video", 1)]
    assert bob.get("/notifications").json["_items"][0]["video"] == video
    assert kinds(carol) == []


def test_events_passed_on_twice_tell_once(app, alice, bob):
    channel, start = make_channel(alice), latest_event(app)
    bob.put(f"/channels/{channel}/subscription")
    comment = make_comment(bob, publish(app, alice, channel))
    alice.post(f"/comments/{comment}/replies", {"text": "re"})
    pass_on(app)
    assert kinds(bob) == [("new_video", 1), ("reply", 1)]

    pass_on_again(app, start)

    mine = [one["_id"] for one in bob.get("/notifications").json["_items"] if one["kind"] == "reply"]
    assert len(mine) == 1
    assert ("new_video", 2) not in kinds(bob)


def test_reply_mention_and_comment_reach_whom_they_concern_once_each(app, alice, bob, carol):
    video = make_video(alice)
    top = make_comment(bob, video, "hello @carol")
    carol.post(f"/comments/{top}/replies", {"text": "@bob @alice hi"})
    pass_on(app)
    assert ("reply", 1) in kinds(bob)
    assert ("mention", 1) in kinds(carol)
    assert ("comment", 1) in kinds(alice) and ("mention", 1) in kinds(alice)


def test_nobody_is_told_of_what_he_did_himself(app, alice):
    video = make_video(alice)
    pass_on(app)
    app.services.db["notifications"].delete_many({})
    top = make_comment(alice, video, "@alice")
    alice.post(f"/comments/{top}/replies", {"text": "me again"})
    pass_on(app)
    assert kinds(alice) == []


def test_unread_ones_about_one_thing_are_grouped(app, alice, bob, carol):
    video = make_video(alice)
    pass_on(app)
    app.services.db["notifications"].delete_many({})
    for client in (bob, carol, bob):
        make_comment(client, video)
    pass_on(app)
    assert kinds(alice) == [("comment", 3)]


def test_read_ones_are_not_added_to(app, alice, bob):
    video = make_video(alice)
    pass_on(app)
    app.services.db["notifications"].delete_many({})
    make_comment(bob, video)
    pass_on(app)
    first = alice.get("/notifications").json["_items"][0]["_id"]
    assert alice.post(f"/notifications/{first}/read").json["unread"] is False
    make_comment(bob, video)
    pass_on(app)
    assert kinds(alice) == [("comment", 1), ("comment", 1)]
    assert alice.get("/me/notifications/unread").json == {"unread": 1}


def test_all_can_be_marked_read_at_once(app, alice, bob):
    for _ in range(3):
        make_comment(bob, make_video(alice))
    pass_on(app)
    unread = alice.get("/me/notifications/unread").json["unread"]
    assert unread >= 3
    assert alice.post("/me/notifications/read").json == {"read": unread}
    assert alice.get("/me/notifications/unread").json == {"unread": 0}


def test_kind_that_was_switched_off_is_not_sent(app, alice):
    user = sign_up(app, "taciturn")
    user.patch("/me", {"settings": {"notifications": {"reply": False}}})
    video = make_video(alice)
    comment = make_comment(user, video)
    alice.post(f"/comments/{comment}/replies", {"text": "@taciturn"})
    alice.post(f"/comments/{comment}/replies", {"text": "hello"})
    pass_on(app)
    assert kinds(user) == []


def test_held_comment_tells_nobody_until_it_is_approved(app, alice, bob, carol):
    video = make_video(alice, comment_policy="approval")
    comment = make_comment(bob, video, "@carol look")
    pass_on(app)
    assert kinds(carol) == []
    alice.post(f"/comments/{comment}/approve")
    pass_on(app)
    assert kinds(carol) == [("mention", 1)]


def test_who_cannot_see_the_video_is_not_told_of_it(app, alice, bob):
    video = make_video(alice, visibility="private")
    make_comment(alice, video, "@bob secret")
    pass_on(app)
    assert kinds(bob) == []


def test_owner_hears_when_processing_ends(app, alice):
    make_video(alice)
    pass_on(app)
    assert ("processing", 1) in kinds(alice)


def test_notifications_are_ones_own(app, alice, bob, carol, anonymous):
    make_comment(bob, make_video(alice))
    pass_on(app)
    id_ = alice.get("/notifications").json["_items"][0]["_id"]
    assert bob.get(f"/notifications/{id_}").status_code == 404
    assert carol.post(f"/notifications/{id_}/read").status_code == 404
    assert anonymous.get("/notifications").status_code == 401


def events_of(client, last=None, count=1, seconds=10):
    """Read a number of events from the stream."""
    headers = {"Authorization": f"Bearer {client.token}"} | ({"Last-Event-ID": last} if last else {})
    response = client.http.open("/api/v1/me/stream", headers=headers, buffered=False)
    assert response.status_code == 200 and response.mimetype == "text/event-stream"
    events, deadline = [], time.monotonic() + seconds
    for piece in response.response:
        if piece.startswith(b"id: "):
            events.append(piece.split(b"\n")[0].removeprefix(b"id: ").decode())
        if len(events) == count or time.monotonic() > deadline:
            break
    response.close()
    return events


def test_stream_goes_on_where_it_was_lost(app, alice, bob):
    before = "1000-" + "0" * 24
    for _ in range(3):
        make_comment(bob, make_video(alice))
        pass_on(app)
    everything = events_of(alice, before, count=6)
    assert len(everything) == 6 and everything == sorted(everything)
    assert events_of(alice, everything[3], count=2) == everything[4:]


def test_stream_needs_someone_signed_in(anonymous):
    assert anonymous.get("/me/stream").status_code == 401


def test_erased_user_takes_his_notifications_along(app, alice):
    user = sign_up(app, "leaving")
    video = make_video(alice)
    comment = make_comment(user, video)
    alice.post(f"/comments/{comment}/replies", {"text": "re"})
    pass_on(app)
    assert kinds(user) == [("reply", 1)]
    app.store.erase("users", app.store.get("users", ObjectId(user.user["_id"])))
    pass_on(app)
    assert app.services.db["notifications"].count_documents({"user": user.user["_id"]}) == 0
