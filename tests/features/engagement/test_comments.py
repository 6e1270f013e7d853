"""Comments: threads, edits, placeholders, pins, hearts, policy, blocks."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId

from tests.audience import counters, make_channel, make_comment, make_video, walk
from tests.conftest import Client

MARKUP = "<script>alert(1)</script> &amp; [x](javascript:1) \u202e end"


@pytest.fixture(scope="module")
def video(alice):
    return make_video(alice)


def texts(client, path):
    return [item["text"] for item in walk(client, path)[0]]


def test_comment_is_returned_as_it_was_written(bob, anonymous, video):
    comment = make_comment(bob, video, MARKUP)
    assert anonymous.get(f"/comments/{comment}").json["text"] == MARKUP


def test_comment_of_ten_thousand_characters_is_refused(bob, video):
    answer = bob.post(f"/videos/{video}/comments", {"text": "x" * 10_000})
    assert answer.status_code == 422 and "text" in answer.json["issues"]


def test_empty_comment_is_refused(bob, video):
    assert bob.post(f"/videos/{video}/comments", {"text": ""}).status_code == 422


def test_comment_below_nothing_is_refused(bob):
    assert bob.post("/comments", {"text": "x"}).status_code == 422


def test_stranger_cannot_comment_on_a_private_video(alice, bob):
    private = make_video(alice, visibility="private")
    assert bob.post(f"/videos/{private}/comments", {"text": "x"}).status_code == 404


def test_deleted_video_takes_no_comment(alice, bob):
    video = make_video(alice)
    alice.delete(f"/videos/{video}")
    assert bob.post(f"/videos/{video}/comments", {"text": "x"}).status_code == 404


def test_comments_and_replies_are_counted(alice, bob):
    video = make_video(alice)
    top = make_comment(bob, video)
    alice.post(f"/comments/{top}/replies", {"text": "re"})
    assert counters(bob, f"/videos/{video}")["comments"] == 2
    assert counters(bob, f"/comments/{top}")["replies"] == 1


def test_reply_to_a_reply_stands_in_the_same_thread_and_names_whom_it_answers(alice, bob, video):
    top = make_comment(alice, video)
    reply = bob.post(f"/comments/{top}/replies", {"text": "re"}).json
    answer = alice.post(f"/comments/{reply['_id']}/replies", {"text": "re re"}).json
    assert answer["parent"] == top
    assert answer["reply_to"] == str(bob.user["_id"])


def test_parent_in_the_body_makes_a_reply(alice, bob, video):
    top = make_comment(alice, video)
    assert bob.post(f"/videos/{video}/comments", {"text": "re", "parent": top}).json["parent"] == top


def test_parent_of_another_video_is_refused(alice, bob, video):
    elsewhere = make_comment(alice, make_video(alice))
    answer = bob.post(f"/videos/{video}/comments", {"text": "re", "parent": elsewhere})
    assert answer.status_code == 422 and "parent" in answer.json["issues"]


def test_list_of_a_video_shows_threads_and_not_replies(alice, bob):
    video = make_video(alice)
    top = make_comment(bob, video, "top")
    alice.post(f"/comments/{top}/replies", {"text": "reply"})
    assert texts(bob, f"/videos/{video}/comments") == ["top"]
    assert texts(bob, f"/comments/{top}/replies") == ["reply"]


def test_threads_and_replies_page_by_cursor(alice, bob):
    video = make_video(alice)
    tops = [make_comment(bob, video, f"top {n}") for n in range(7)]
    for n in range(5):
        alice.post(f"/comments/{tops[0]}/replies", {"text": f"reply {n}"})
    items, pages = walk(bob, f"/videos/{video}/comments?max_results=3")
    assert [item["text"] for item in items] == [f"top {n}" for n in reversed(range(7))] and pages == 3
    items, pages = walk(bob, f"/comments/{tops[0]}/replies?max_results=2")
    assert [item["text"] for item in items] == [f"reply {n}" for n in range(5)] and pages == 3


def test_top_sorts_by_likes_over_pages(alice, bob, carol):
    video = make_video(alice)
    ids = [make_comment(bob, video, str(n)) for n in range(4)]
    for client, liked in ((alice, ids[2]), (carol, ids[2]), (alice, ids[0])):
        client.put(f"/comments/{liked}/like", {"value": 1})
    assert texts(bob, f"/videos/{video}/comments?sort=-counters.likes&max_results=2") == ["2", "0", "3", "1"]


def test_edit_notes_when(bob, video):
    comment = make_comment(bob, video)
    assert not bob.get(f"/comments/{comment}").json.get("edited_at")
    assert bob.patch(f"/comments/{comment}", {"text": "Better"}).json["edited_at"]


def test_edit_without_a_change_notes_nothing(bob, video):
    comment = make_comment(bob, video, "Same")
    assert not bob.patch(f"/comments/{comment}", {"text": "Same"}).json.get("edited_at")


def test_stranger_cannot_edit_a_comment(alice, bob, carol, video):
    comment = make_comment(bob, video)
    for client in (alice, carol):
        assert client.patch(f"/comments/{comment}", {"text": "Mine"}).status_code == 403


@pytest.mark.parametrize(
    "field", ["author", "status", "pinned", "hearted", "edited_at", "counters", "mentions"]
)
def test_author_cannot_set_what_the_server_keeps(bob, video, field):
    comment = make_comment(bob, video)
    value = {"author": str(ObjectId()), "counters": {"likes": 5}, "mentions": [], "status": "rejected",
             "edited_at": "2020-01-01T00:00:00Z"}.get(field, True)  # fmt: skip
    if field == "mentions":
        value = [str(bob.user["_id"])]
    assert bob.patch(f"/comments/{comment}", {field: value}).status_code == 422


def test_mentions_are_resolved_to_users(alice, bob, video):
    text = "Hello @alice, @ALICE. and @nobody_here and mail@bob.org"
    answer = bob.post(f"/videos/{video}/comments", {"text": text}).json
    assert answer["mentions"] == [str(alice.user["_id"])]


def test_deleted_comment_without_replies_is_gone(alice, bob):
    video = make_video(alice)
    comment = make_comment(bob, video)
    assert bob.delete(f"/comments/{comment}").status_code == 204
    assert bob.get(f"/comments/{comment}").status_code == 404
    assert counters(bob, f"/videos/{video}")["comments"] == 0


def test_deleted_comment_with_replies_leaves_a_placeholder(alice, bob):
    video = make_video(alice)
    top = make_comment(bob, video, "secret")
    alice.post(f"/comments/{top}/replies", {"text": "reply"})

    assert bob.delete(f"/comments/{top}").status_code == 204

    left = alice.get(f"/comments/{top}").json
    assert (left["text"], left["author"], left["placeholder"]) == ("", None, True)
    assert texts(alice, f"/comments/{top}/replies") == ["reply"]
    assert counters(alice, f"/videos/{video}")["comments"] == 1


def test_placeholder_goes_with_its_last_reply(alice, bob):
    video = make_video(alice)
    top = make_comment(bob, video)
    reply = alice.post(f"/comments/{top}/replies", {"text": "reply"}).json["_id"]
    bob.delete(f"/comments/{top}")
    alice.delete(f"/comments/{reply}")
    assert alice.get(f"/comments/{top}").status_code == 404
    assert counters(alice, f"/videos/{video}")["comments"] == 0


def test_placeholder_takes_neither_reply_nor_like(alice, bob):
    video = make_video(alice)
    top = make_comment(bob, video)
    alice.post(f"/comments/{top}/replies", {"text": "reply"})
    bob.delete(f"/comments/{top}")
    assert alice.post(f"/comments/{top}/replies", {"text": "x"}).status_code == 409
    assert alice.put(f"/comments/{top}/like", {"value": 1}).status_code == 409


def test_only_validating_a_delete_leaves_the_comment(alice, bob, video):
    top = make_comment(bob, video, "still here")
    alice.post(f"/comments/{top}/replies", {"text": "reply"})
    headers = {"If-Match": "*", "Prefer": "validate-only"}
    assert bob.call("DELETE", f"/comments/{top}", headers=headers).status_code == 200
    assert bob.get(f"/comments/{top}").json["text"] == "still here"


def test_video_owner_and_moderator_may_delete_a_comment_and_a_stranger_not(alice, bob, carol, dana, video):
    first, second = make_comment(bob, video), make_comment(bob, video)
    assert alice.delete(f"/comments/{first}").status_code == 204
    assert carol.delete(f"/comments/{second}").status_code == 204
    assert bob.delete(f"/comments/{make_comment(alice, video)}").status_code == 403


def test_pin_is_for_the_video_owner_and_only_one(alice, bob, anonymous):
    video = make_video(alice)
    first, second = make_comment(bob, video), make_comment(bob, video)
    assert bob.post(f"/comments/{first}/pin").status_code == 403
    assert alice.post(f"/comments/{first}/pin").json["pinned"] is True
    assert alice.post(f"/comments/{second}/pin").json["pinned"] is True
    assert anonymous.get(f"/comments/{first}").json["pinned"] is False
    assert anonymous.get(f"/videos/{video}").json["pinned_comment"] == second
    for _ in range(2):
        assert alice.delete(f"/comments/{second}/pin").json["pinned"] is False
    assert anonymous.get(f"/videos/{video}").json["pinned_comment"] is None


def test_racing_pins_leave_exactly_one(app, alice, bob):
    video = make_video(alice)
    ids = [make_comment(bob, video) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda id_: Client(app, alice.token).post(f"/comments/{id_}/pin"), ids))
    pinned = [id_ for id_ in ids if alice.get(f"/comments/{id_}").json["pinned"]]
    assert pinned == [alice.get(f"/videos/{video}").json["pinned_comment"]]


def test_reply_cannot_be_pinned(alice, bob, video):
    top = make_comment(bob, video)
    reply = bob.post(f"/comments/{top}/replies", {"text": "x"}).json["_id"]
    assert alice.post(f"/comments/{reply}/pin").status_code == 409


def test_pinned_comment_that_becomes_a_placeholder_is_pinned_no_longer(alice, bob):
    video = make_video(alice)
    top = make_comment(bob, video)
    bob.post(f"/comments/{top}/replies", {"text": "x"})
    alice.post(f"/comments/{top}/pin")
    bob.delete(f"/comments/{top}")
    assert alice.get(f"/videos/{video}").json["pinned_comment"] is None


def test_heart_is_the_video_owners_to_give_and_take(alice, bob, video):
    comment = make_comment(bob, video)
    assert bob.post(f"/comments/{comment}/heart").status_code == 403
    assert alice.post(f"/comments/{comment}/heart").json["hearted"] is True
    assert alice.delete(f"/comments/{comment}/heart").json["hearted"] is False


def test_comments_can_be_switched_off(alice, bob):
    video = make_video(alice, comment_policy="off")
    for client in (bob, alice):
        answer = client.post(f"/videos/{video}/comments", {"text": "x"})
        assert (answer.status_code, answer.json["reason"]) == (403, "comments_off")


@pytest.fixture
def held(alice, bob):
    video = make_video(alice, comment_policy="approval")
    return video, make_comment(bob, video, "held")


def test_held_comment_is_seen_by_author_host_and_moderator_alone(held, alice, bob, carol, anonymous, dana):
    video, comment = held
    assert alice.get(f"/videos/{video}").json["counters"]["comments"] == 0
    for client in (alice, bob, carol, dana):
        assert client.get(f"/comments/{comment}").status_code == 200
    assert anonymous.get(f"/comments/{comment}").status_code == 404
    assert texts(anonymous, f"/videos/{video}/comments") == []


def test_host_lists_what_is_held(held, alice, bob):
    video, comment = held
    where = f'/videos/{video}/comments?where={{"status":"held"}}'
    assert [item["_id"] for item in walk(alice, where)[0]] == [comment]
    assert bob.get(where).status_code == 403


def test_approved_comment_appears_and_counts(held, alice, anonymous):
    video, comment = held
    assert alice.post(f"/comments/{comment}/approve").json["status"] == "published"
    assert texts(anonymous, f"/videos/{video}/comments") == ["held"]
    assert counters(anonymous, f"/videos/{video}")["comments"] == 1
    assert alice.post(f"/comments/{comment}/approve").status_code == 409


def test_rejected_comment_disappears_and_counts_no_more(alice, bob, anonymous):
    video = make_video(alice)
    comment = make_comment(bob, video)
    assert bob.post(f"/comments/{comment}/reject").status_code == 403
    assert alice.post(f"/comments/{comment}/reject").json["status"] == "rejected"
    assert anonymous.get(f"/comments/{comment}").status_code == 404
    assert counters(anonymous, f"/videos/{video}")["comments"] == 0


def test_hosts_own_comment_is_never_held(alice):
    video = make_video(alice, comment_policy="approval")
    assert alice.post(f"/videos/{video}/comments", {"text": "x"}).json["status"] == "published"


def test_edit_of_an_approved_comment_is_held_again(held, alice, bob):
    _, comment = held
    alice.post(f"/comments/{comment}/approve")
    assert bob.patch(f"/comments/{comment}", {"text": "something else"}).json["status"] == "held"


def test_held_comment_cannot_be_answered(held, alice):
    _, comment = held
    assert alice.post(f"/comments/{comment}/replies", {"text": "x"}).status_code == 409


def test_blocked_user_cannot_comment_on_that_channel_and_can_elsewhere(alice, bob):
    channel = make_channel(alice)
    video = make_video(alice, channel)
    block = alice.post("/blocks", {"user": str(bob.user["_id"]), "channel": channel})
    assert block.status_code == 201, block.json

    answer = bob.post(f"/videos/{video}/comments", {"text": "x"})

    assert (answer.status_code, answer.json["reason"]) == (403, "blocked")
    assert bob.post(f"/videos/{make_video(alice)}/comments", {"text": "x"}).status_code == 201
    alice.delete(f"/blocks/{block.json['_id']}")
    assert bob.post(f"/videos/{video}/comments", {"text": "x"}).status_code == 201


def test_stranger_cannot_block_on_anothers_channel(alice, bob, carol):
    body = {"user": str(carol.user["_id"]), "channel": make_channel(alice)}
    assert bob.post("/blocks", body).status_code == 403


def test_block_on_the_site_is_a_moderators(alice, bob, carol, dana, video):
    body = {"user": str(bob.user["_id"]), "scope": "site"}
    assert alice.post("/blocks", body).status_code == 403
    block = carol.post("/blocks", body)
    assert block.status_code == 201
    assert bob.post(f"/videos/{video}/comments", {"text": "x"}).json["reason"] == "blocked"
    carol.delete(f"/blocks/{block.json['_id']}")


def test_racing_comments_are_all_counted(app, alice, bob):
    video = make_video(alice)

    def work(n):
        client = Client(app, bob.token)
        id_ = client.post(f"/videos/{video}/comments", {"text": str(n)}).json["_id"]
        return n % 2 and client.delete(f"/comments/{id_}").status_code

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    truth = app.services.db["comments"].count_documents({"video": ObjectId(video)})
    assert truth == counters(alice, f"/videos/{video}")["comments"] == 20
