"""What was done, undone and done again: each person is told of it once, and of nothing that is gone."""

import pytest
from bson import ObjectId

from features.notices.part_upgrades import note_parts
from tests.audience import make_channel, make_comment, make_video, pass_on
from tests.field_reports import reported


@pytest.fixture(autouse=True)
def quiet(app):
    """Begin each test with nothing to tell."""
    pass_on(app)
    app.services.db["notifications"].delete_many({})


def told(client):
    """Return what somebody is told: (kind, count, unread), sorted."""
    items = client.get("/notifications").json["_items"]
    return sorted((one["kind"], one["count"], one["unread"]) for one in items)


@reported(
    "Notices",
    "A film that was published, hidden a moment later and published again is never told of",
    sent="`publish`; `unpublish` before followers are told; `publish` again",
    back="one notice `new_video` to each follower",
)
def test_film_that_was_hidden_before_it_was_told_of_is_told_of_when_it_is_back(app, alice, bob):
    channel = make_channel(alice)
    bob.put(f"/channels/{channel}/subscription")
    video = make_video(alice, channel, visibility="private")
    assert alice.post(f"/videos/{video}/publish").status_code == 200
    assert alice.post(f"/videos/{video}/unpublish").status_code == 200
    pass_on(app)
    assert told(bob) == []
    assert alice.post(f"/videos/{video}/publish").status_code == 200
    pass_on(app)
    assert told(bob) == [("new_video", 1, True)]
    alice.patch(f"/videos/{video}", {"title": "Another title"})
    pass_on(app)
    assert told(bob) == [("new_video", 1, True)]


@reported(
    "Notices",
    "Of two comments in one notice the author deletes theirs, and the other is lost with it",
    sent="two people comment; the later deletes theirs",
    back="the notice stays unread with `count` 1 and names the other comment",
)
def test_deleted_comment_takes_only_its_own_part_of_a_notice(app, alice, bob, carol):
    video = make_video(alice)
    pass_on(app)
    app.services.db["notifications"].delete_many({})
    first = make_comment(bob, video)
    second = make_comment(carol, video)
    pass_on(app)
    assert told(alice) == [("comment", 2, True)]
    assert carol.delete(f"/comments/{second}").status_code == 204
    pass_on(app)
    (one,) = alice.get("/notifications").json["_items"]
    assert (one["count"], one["unread"], one["comment"]) == (1, True, first)
    assert one["actor"] == str(bob.user["_id"])
    assert bob.delete(f"/comments/{first}").status_code == 204
    pass_on(app)
    assert told(alice) == []


@reported(
    "Notices",
    "Who is mentioned by an edit is never told",
    sent="`PATCH /comments/{id}` that adds `@name`, several times, also taken out and put back",
    back="one notice `mention` to each person who is mentioned",
)
def test_person_mentioned_by_an_edit_is_told_once(app, alice, bob, carol, dana):
    comment = make_comment(bob, make_video(alice), "hello @dana")
    pass_on(app)
    for text in ("hello @dana @carol", "hello @carol @dana!", "hello", "hello @carol and @dana"):
        assert bob.patch(f"/comments/{comment}", {"text": text}).status_code == 200
        pass_on(app)
        expected = [("mention", 1, True)] if "@" in text else []
        assert told(carol) == told(dana) == expected, text
    for one in carol.get("/notifications").json["_items"]:
        carol.post(f"/notifications/{one['_id']}/read")
    for text in ("nobody", "@carol once more"):
        bob.patch(f"/comments/{comment}", {"text": text})
        pass_on(app)
        assert told(carol) == [("mention", 1, False)], text


def test_comment_below_a_film_that_is_hidden_for_a_moment_is_told_of_when_it_is_back(app, alice, bob, carol):
    video = make_video(alice)
    comment = make_comment(bob, video, "@carol look")
    alice.post(f"/videos/{video}/unpublish")
    pass_on(app)
    assert told(carol) == []
    alice.post(f"/videos/{video}/publish")
    pass_on(app)
    assert told(carol) == [("mention", 1, True)]
    assert app.store.get("comments", ObjectId(comment))


def test_person_whom_an_old_edit_mentioned_is_not_told_when_another_one_is(app, alice, bob, carol, dana):
    """What was told before anybody kept books of it is not told again."""
    comment = make_comment(bob, make_video(alice), "hello @dana")
    pass_on(app)
    for name in ("notice_parts", "notifications"):
        app.services.db[name].delete_many({})
    bob.patch(f"/comments/{comment}", {"text": "hello @dana and @carol"})
    pass_on(app)
    assert (told(dana), told(carol), told(alice)) == ([], [("mention", 1, True)], [])


def test_dismissed_notice_does_not_come_back(app, alice, bob, carol):
    comment = make_comment(bob, make_video(alice), "@carol look")
    pass_on(app)
    (one,) = carol.get("/notifications").json["_items"]
    assert carol.delete(f"/notifications/{one['_id']}").status_code == 204
    for deed in ("reject", "approve"):
        assert alice.post(f"/comments/{comment}/{deed}").status_code == 200
        pass_on(app)
    assert told(carol) == []


def test_what_an_older_version_told_can_be_undone_and_is_not_told_again(app, alice, bob, carol):
    video = make_video(alice)
    pass_on(app)
    first, second = make_comment(bob, video), make_comment(carol, video)
    pass_on(app)
    db = app.services.db
    events = [
        db["events"].find_one({"subject": ObjectId(one), "type": "comments.created"})
        for one in (first, second)
    ]
    db["notifications"].update_one(
        {"kind": "comment"}, {"$set": {"event_ids": [one["_id"] for one in events]}}
    )
    noted = db["notice_parts"].count_documents({"kind": "comment"})
    db["notice_parts"].delete_many({"subject": {"$in": [one["subject"] for one in events]}})
    assert note_parts(app.store) == 1 and note_parts(app.store) == 0
    assert db["notice_parts"].count_documents({"kind": "comment"}) == noted
    carol.delete(f"/comments/{second}")
    pass_on(app)
    assert ("comment", 1, True) in told(alice)
    bob.patch(f"/comments/{first}", {"text": "changed"})
    pass_on(app)
    assert ("comment", 1, True) in told(alice)


@reported(
    "Notices",
    "A program that follows a channel by webhook learns who subscribes, and never who stops",
    sent="`PUT` and `DELETE /channels/{id}/subscription` of a public subscription and of a private one",
    back="`subscriptions.created` and `subscriptions.deleted` of the public one; of the private one nothing",
)
def test_owner_hears_of_the_end_of_a_public_subscription_and_of_no_private_one(app, alice, bob, carol):
    channel = make_channel(alice)
    bob.put(f"/channels/{channel}/subscription", {"visibility": "public"})
    carol.put(f"/channels/{channel}/subscription", {"visibility": "private"})
    ids = app.services.db["subscriptions"].distinct("_id", {"channel": ObjectId(channel)})
    for one in (bob, carol):
        assert one.delete(f"/channels/{channel}/subscription").status_code == 200
    pass_on(app)
    found = list(app.services.db["events"].find({"subject": {"$in": ids}}).sort("seq", 1))
    told = {who: [one["type"] for one in found if one["user"] == who.user["_id"]] for who in (alice, carol)}
    assert told == dict.fromkeys((alice, carol), ["subscriptions.created", "subscriptions.deleted"])
    assert not any(str(carol.user["_id"]) in str(one) for one in found if one["user"] == alice.user["_id"])
