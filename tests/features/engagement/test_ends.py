"""What a block interrupts goes on where it was; an answer or a restore while its parent goes is kept or refused."""

import threading

import pytest
from bson import ObjectId

from tests.audience import bring_to, make_channel, make_video
from tests.conftest import Client
from tests.studio import refused

ROUNDS = 20


def block(carol, video, deed="block"):
    answer = carol.post(f"/admin/videos/{video}/{deed}", {"reason": "Not nice."} if deed == "block" else None)
    assert answer.status_code == 200, answer.json
    return answer.json


def draft(owner, **facts):
    body = {"channel": make_channel(owner), "title": "A title", **facts}
    return ObjectId(owner.post("/videos", body).json["_id"])


def test_failed_video_is_failed_again_after_a_block(app, alice, carol, anonymous):
    told = {"code": "render_failed", "message": "No.", "retryable": True, "since": None, "deadline": None}
    video = draft(alice, visibility="public")
    bring_to(app.store, video, "FAILED", status_detail=told)
    channel = app.store.get("videos", video)["channel"]
    assert block(carol, video)["status_detail"]["code"] == "blocked"
    after = block(carol, video, "unblock")
    assert (after["status"], after["status_detail"]) == ("FAILED", told)
    assert "retry" in alice.get(f"/videos/{video}").json["_links"]
    assert app.store.get("channels", channel)["counters"]["videos"] == 0
    refused(anonymous.get(f"/videos/{video}"), 404)
    refused(alice.get(f"/videos/{video}/playback"), 409)
    refused(alice.put(f"/videos/{video}/thumbnail", {"at": 1}), 409)
    assert anonymous.get(f"/channels/{channel}/feed.atom").status_code == 200


def test_video_made_public_while_it_was_blocked_is_published_when_it_returns(app, alice, carol, anonymous):
    video = make_video(alice, visibility="private")
    block(carol, video)
    blocked = alice.patch(f"/videos/{video}", {"visibility": "public"})
    assert blocked.status_code == 200 and not blocked.json.get("published_at")
    after = block(carol, video, "unblock")
    assert after["status"] == "READY" and after["published_at"]
    assert anonymous.get(f"/channels/{after['channel']}/feed.atom").status_code == 200
    assert video in anonymous.get(f"/sitemaps/{after['published_at'][:7]}.xml").text


def test_only_a_moderator_ends_a_block(app, alice, carol):
    """A file that replaces another may be done while the video is blocked: the block stays, and its reason."""
    video = ObjectId(make_video(alice))
    block(carol, video)
    assert app.store.move("videos", {"_id": video}, "status", "READY", set={"status_detail": None}) is None
    told = {"code": "render_failed", "message": "No.", "retryable": False, "since": None, "deadline": None}
    assert app.store.change("videos", {"_id": video}, set={"status_detail": told})
    assert alice.get(f"/videos/{video}").json["status_detail"]["code"] == "blocked"
    assert block(carol, video, "unblock")["status_detail"] == told


@pytest.mark.parametrize("status", ["DRAFT", "UPLOADING", "PROCESSING"])
def test_what_was_never_shown_cannot_be_blocked(app, alice, carol, status):
    video = draft(alice)
    bring_to(app.store, video, status)
    refused(carol.post(f"/admin/videos/{video}/block"), 409)
    refused(carol.post(f"/admin/videos/{video}/unblock"), 409)


def test_one_that_an_older_version_blocked_goes_where_it_lacks_nothing(app, alice, carol):
    video = draft(alice)
    bring_to(app.store, video, "FAILED")
    app.services.db.videos.update_one(
        {"_id": video}, {"$set": {"status": "BLOCKED"}, "$unset": {"interrupted": ""}}
    )
    assert block(carol, video, "unblock")["status"] == "FAILED"


def test_reply_and_deletion_of_its_parent_at_once(app, alice, bob, film, later):
    ends = set()
    for _ in range(ROUNDS):
        parent = alice.post("/comments", {"video": film, "text": "first"}).json["_id"]
        answers = both(
            lambda parent=parent: bob.post("/comments", {"video": film, "parent": parent, "text": "second"}),
            lambda parent=parent: alice.delete(f"/comments/{parent}"),
        )
        reply, deletion = answers
        assert deletion.status_code == 204
        later()
        on_top = {"video": ObjectId(film), "text": "second", "parent": None}
        assert app.services.db.comments.count_documents(on_top) == 0
        if reply.status_code == 201:
            # It was answered: the place is kept, and the answer is there.
            kept = app.store.get("comments", ObjectId(reply.json["_id"]))
            place = app.store.get("comments", ObjectId(parent))
            assert kept and str(kept["parent"]) == parent
            assert place["placeholder"] and place["counters"]["replies"] == 1
        else:
            refused(reply, 404, 409, 422)
            assert app.services.db.comments.count_documents({"parent": ObjectId(parent)}) == 0
        ends.add(reply.status_code)
    shown = app.store.get("videos", ObjectId(film))["counters"]["comments"]
    there = {"video": ObjectId(film), "status": "published", "placeholder": {"$ne": True}}
    assert shown == app.services.db.comments.count_documents(there)


def test_reply_to_one_that_has_just_gone_is_refused(app, alice, bob, film, later):
    """The worst order: the parent goes between the check of the request and the write."""
    parent = alice.post("/comments", {"video": film, "text": "first"}).json["_id"]
    reads, seen = app.store.get, []

    def delete_before(resource, id_, session=None):
        if resource == "comments" and str(id_) == parent and not seen:
            seen.append(id_)
            assert alice.delete(f"/comments/{parent}").status_code == 204
        return reads(resource, id_, session)

    app.store.get = delete_before
    try:
        answer = bob.post("/comments", {"video": film, "parent": parent, "text": "late"})
    finally:
        app.store.get = reads
    assert seen and refused(answer, 409) == "parent_gone"
    later()
    assert app.services.db.comments.count_documents({"text": "late"}) == 0


def test_video_is_not_restored_below_a_channel_that_is_gone(app, alice, later):
    video = make_video(alice)
    channel = alice.get(f"/videos/{video}").json["channel"]
    assert alice.delete(f"/videos/{video}").status_code == 204
    assert alice.delete(f"/channels/{channel}").status_code == 204
    before = app.store.get("videos", ObjectId(video))
    assert refused(alice.post(f"/videos/{video}/restore"), 409) == "parent_gone"
    assert app.store.get("videos", ObjectId(video)) == before
    later()
    assert refused(alice.post(f"/videos/{video}/restore"), 404, 409)


def test_restore_and_deletion_of_its_channel_at_once(app, alice, later):
    """Restored again and again until the channel is gone and what follows is done: every moment has its try."""
    for _ in range(ROUNDS):
        video = make_video(alice)
        channel = alice.get(f"/videos/{video}").json["channel"]
        assert alice.delete(f"/videos/{video}").status_code == 204
        over, owner = threading.Event(), Client(app, alice.token, alice.user)

        def end(channel=channel, over=over):
            try:
                answer = alice.delete(f"/channels/{channel}")
                later()
                return answer
            finally:
                over.set()

        def restore(video=video, over=over, owner=owner):
            answers = []
            while not over.is_set():
                answers.append(owner.post(f"/videos/{video}/restore"))
            return answers

        restored, gone = both(restore, end)
        assert gone.status_code == 204
        assert {answer.status_code for answer in restored} <= {200, 404, 409}
        left = app.store.get("videos", ObjectId(video))
        assert left is None or left["deleted_at"], "it is there, below a channel that is not"


def both(*calls):
    """Run two calls at once, each by a client of its own; return their answers."""
    barrier, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def run(number):
        barrier.wait()
        answers[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
