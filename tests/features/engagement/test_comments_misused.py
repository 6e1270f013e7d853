"""Comments: threads, edits, placeholders, pins, hearts, policies and blocks, at the hands of people who misuse them."""

import random

import pytest
from bson import ObjectId

from features.engagement import comment_rules as comments
from machine.counters.recount import verify
from tests.patience import patience
from tests.studio import OLD_TEXT, TEXT, Studio, at_once, ids, refused, walk

ANY = {"If-Match": "*"}


@pytest.fixture
def say(film):
    """Comment on the film, or below a comment."""

    def comment(who, text="Hello", parent=None, video=None):
        body = {"text": text} | ({"parent": parent} if parent else {})
        answer = who.post(f"/videos/{video or film}/comments", body)
        assert answer.status_code == 201, answer.json
        return answer.json["_id"]

    return comment


def stored(app, comment):
    return app.store.get("comments", ObjectId(comment))


def count(app, film):
    return app.store.get("videos", ObjectId(film))["counters"]["comments"]


def set_policy(app, film, policy):
    app.store.change("videos", {"_id": ObjectId(film)}, set={"comment_policy": policy})


# Threads


def test_reply_to_a_reply_stands_in_the_thread_and_names_whom_it_answers(app, film, say, bob, carol):
    first = say(bob)
    second = say(carol, parent=first)
    third = say(bob, parent=second)
    assert stored(app, third)["parent"] == ObjectId(first)
    assert stored(app, third)["reply_to"] == carol.user["_id"]
    assert ids(bob.get(f"/comments/{first}/replies").json["_items"]) == [second, third]
    assert ids(bob.get(f"/videos/{film}/comments").json["_items"]) == [first]
    assert stored(app, first)["counters"]["replies"] == 2 and count(app, film) == 3


def test_reply_belongs_to_the_video_of_its_parent(studio, say, bob):
    elsewhere = say(bob, video=studio.film())
    answer = bob.post(f"/videos/{studio.film()}/comments", {"text": "x", "parent": elsewhere})
    refused(answer, 404, 422)


@pytest.mark.parametrize("parent", ["f" * 24, "x", 5, ["f" * 24], {"a": 1}, "a" * 24 + "\n", "%"])
def test_reply_to_nothing_is_refused(film, bob, parent):
    refused(bob.post(f"/videos/{film}/comments", {"text": "x", "parent": parent}), 422)


def test_edit_notes_its_time_and_a_repetition_does_not(app, say, bob):
    comment = say(bob)
    assert stored(app, comment).get("edited_at") is None
    assert bob.patch(f"/comments/{comment}", {"text": "Hello"}).status_code == 200
    assert stored(app, comment).get("edited_at") is None
    answer = bob.patch(f"/comments/{comment}", {"text": "Changed"})
    assert answer.status_code == 200 and answer.json["edited_at"]


@pytest.mark.parametrize(
    "field, value",
    [
        ("video", "f" * 24),
        ("parent", "f" * 24),
        ("author", "f" * 24),
        ("pinned", True),
        ("hearted", True),
        ("status", "held"),
        ("edited_at", "2020-01-01T00:00:00Z"),
        ("placeholder", True),
        ("mentions", []),
        ("reply_to", "f" * 24),
        ("counters", {"likes": 9}),
        ("counters", {}),
        ("_id", "f" * 24),
    ],
)
def test_author_cannot_set_what_is_the_servers(app, film, say, bob, alice, field, value):
    comment = say(bob, "@alice mind this")
    before = stored(app, comment)
    refused(bob.patch(f"/comments/{comment}", {field: value}), 422)
    body = {"text": "x", field: value}
    if field != "video":
        refused(bob.post(f"/videos/{film}/comments", body), 422)
    assert stored(app, comment) == before


def test_stranger_cannot_edit_or_delete_a_comment(app, say, alice, bob, carol, town, anonymous):
    comment = say(bob)
    for who, expected in ((town.newcomer(), 403), (anonymous, 401)):
        refused(who.patch(f"/comments/{comment}", {"text": "Mine"}), expected)
        refused(who.delete(f"/comments/{comment}"), expected)
    # The host may delete, and nobody but the author may put words into his mouth.
    for who in (alice, carol):
        refused(who.patch(f"/comments/{comment}", {"text": "Mine"}), 403)
    assert stored(app, comment)["text"] == "Hello"
    assert alice.delete(f"/comments/{comment}").status_code == 204


# What a deletion leaves


def test_deleted_comment_with_replies_leaves_an_empty_place(app, film, say, bob, carol, anonymous):
    first = say(bob, "Secret words")
    reply = say(carol, parent=first)
    assert bob.delete(f"/comments/{first}").status_code == 204
    place = anonymous.get(f"/comments/{first}").json
    assert place["placeholder"] is True and not place.get("author") and place["text"] == ""
    assert "Secret" not in anonymous.get(f"/videos/{film}/comments").text
    assert count(app, film) == 1 and stored(app, first)["counters"]["replies"] == 1
    assert carol.delete(f"/comments/{reply}").status_code == 204
    assert stored(app, first) is None and count(app, film) == 0


def test_placeholder_is_nobodys_to_use(app, say, bob, carol, alice, later):
    first = say(bob)
    say(carol, parent=first)
    bob.delete(f"/comments/{first}")
    refused(bob.patch(f"/comments/{first}", {"text": "Back"}), 403)
    refused(
        carol.post(f"/videos/{stored(app, first)['video']}/comments", {"text": "x", "parent": first}), 409
    )
    refused(carol.put(f"/comments/{first}/like"), 409)
    refused(alice.post(f"/comments/{first}/pin"), 409)
    refused(alice.post(f"/comments/{first}/heart"), 409)


def test_comment_deleted_twice_is_404_and_counts_once(app, film, say, bob):
    comment = say(bob)
    say(bob)
    answers = at_once([lambda: bob.delete(f"/comments/{comment}")] * 8)
    assert sorted(answer.status_code for answer in answers)[0] == 204
    assert {answer.status_code for answer in answers} <= {204, 404, 412}
    assert [answer.status_code for answer in answers].count(204) == 1
    assert count(app, film) == 1


@pytest.mark.slow
def test_replies_that_race_a_deletion_never_stand_below_nothing(app, film, say, bob, town, later):
    """Either the place stays for them, or they are gone with it; the counters agree in both cases."""
    people = town.some(6)
    for _ in range(3):
        first = say(bob)
        calls = [
            lambda p=p, first=first: p.post(f"/videos/{film}/comments", {"text": "x", "parent": first})
            for p in people
        ]
        calls.insert(random.randrange(len(calls)), lambda first=first: bob.delete(f"/comments/{first}"))
        assert {answer.status_code for answer in at_once(calls)} <= {201, 204, 409, 412, 422}
    later()
    parents = app.services.db.comments.distinct("parent", {"video": ObjectId(film), "parent": {"$ne": None}})
    assert [parent for parent in parents if app.store.get("comments", parent) is None] == []
    shown = {"video": ObjectId(film), "status": "published", "placeholder": {"$ne": True}}
    assert count(app, film) == app.services.db.comments.count_documents(shown)


def test_last_reply_that_goes_while_its_parent_is_emptied_leaves_no_placeholder(
    app, film, say, bob, carol, later, monkeypatch
):
    first = say(bob)
    reply = say(carol, parent=first)
    empty_out = comments.empty_out

    def overtaken(store, comment):
        assert carol.delete(f"/comments/{reply}").status_code == 204
        return empty_out(store, comment)

    monkeypatch.setattr(comments, "empty_out", overtaken)
    assert bob.delete(f"/comments/{first}").status_code == 204
    later()
    assert app.services.db.comments.count_documents({"video": ObjectId(film)}) == 0
    assert count(app, film) == 0


def test_thread_taken_apart_by_many_at_once_leaves_nothing(app, film, say, bob, town, later):
    people = town.some(8)
    first = say(bob)
    replies = [(who, say(who, parent=first)) for who in people]
    calls = [lambda w=w, r=r: w.delete(f"/comments/{r}") for w, r in replies]
    at_once([*calls, lambda: bob.delete(f"/comments/{first}")])
    later()
    if stored(app, first) is not None and not stored(app, first)["placeholder"]:
        assert bob.delete(f"/comments/{first}").status_code == 204
        later()
    assert app.services.db.comments.count_documents({"video": ObjectId(film)}) == 0
    assert count(app, film) == 0


# Pin and heart


def test_one_comment_is_pinned_and_the_one_before_no_longer(app, film, say, alice, bob):
    one, two = say(bob), say(bob)
    assert alice.post(f"/comments/{one}/pin").json["pinned"] is True
    assert alice.post(f"/comments/{two}/pin").json["pinned"] is True
    assert stored(app, one)["pinned"] is False
    assert app.store.get("videos", ObjectId(film))["pinned_comment"] == ObjectId(two)
    assert alice.delete(f"/comments/{one}/pin").json["pinned"] is False
    assert stored(app, two)["pinned"] is True
    for _ in range(2):
        assert alice.delete(f"/comments/{two}/pin").json["pinned"] is False
    assert app.store.get("videos", ObjectId(film))["pinned_comment"] is None


def test_pins_from_many_threads_leave_exactly_one(app, film, say, alice, bob):
    comments = [say(bob) for _ in range(6)]
    at_once([lambda c=c: alice.post(f"/comments/{c}/pin") for c in comments * 2], 6)
    pinned = [c for c in comments if stored(app, c)["pinned"]]
    assert len(pinned) == 1
    assert app.store.get("videos", ObjectId(film))["pinned_comment"] == ObjectId(pinned[0])


@pytest.mark.parametrize("deed", ["pin", "heart"])
def test_only_the_host_pins_and_hearts(app, say, deed, bob, dana, town, anonymous):
    comment = say(bob)
    for who, expected in ((bob, 403), (town.newcomer(), 403), (dana, 403), (anonymous, 401)):
        refused(who.post(f"/comments/{comment}/{deed}"), expected)
        refused(who.delete(f"/comments/{comment}/{deed}", etag="*"), expected)
    assert not stored(app, comment)["pinned"] and not stored(app, comment)["hearted"]


def test_heart_is_set_and_taken_back_however_often(app, say, alice, bob):
    comment = say(bob)
    for _ in range(2):
        assert alice.post(f"/comments/{comment}/heart").json["hearted"] is True
    for _ in range(2):
        assert alice.delete(f"/comments/{comment}/heart").json["hearted"] is False


def test_reply_cannot_be_pinned(say, alice, bob):
    assert refused(alice.post(f"/comments/{say(bob, parent=say(bob))}/pin"), 409) == "illegal_state"


@pytest.mark.parametrize("end", ["reject", "delete", "empty"])
def test_pinned_comment_that_goes_out_of_sight_is_pinned_no_longer(app, film, say, alice, bob, later, end):
    comment = say(bob)
    alice.post(f"/comments/{comment}/pin")
    if end == "empty":
        say(alice, parent=comment)
    answer = (
        alice.post(f"/comments/{comment}/reject") if end == "reject" else bob.delete(f"/comments/{comment}")
    )
    assert answer.status_code in (200, 204)
    later()
    assert app.store.get("videos", ObjectId(film)).get("pinned_comment") is None


# Policy


def test_comments_off_refuses_everybody(app, film, alice, bob):
    set_policy(app, film, "off")
    for who in (alice, bob):
        assert refused(who.post(f"/videos/{film}/comments", {"text": "x"}), 403) == "comments_off"


def test_held_comment_is_seen_by_author_and_host_until_approved(app, film, say, alice, bob, anonymous, town):
    set_policy(app, film, "approval")
    comment = say(bob)
    assert stored(app, comment)["status"] == "held" and count(app, film) == 0
    for who in (anonymous, town.newcomer()):
        refused(who.get(f"/comments/{comment}"), 404)
        assert ids(who.get(f"/videos/{film}/comments").json["_items"]) == []
    for who in (bob, alice):
        assert who.get(f"/comments/{comment}").status_code == 200
    queue = f'/videos/{film}/comments?where={{"status":"held"}}'
    assert ids(alice.get(queue).json["_items"]) == [comment]
    for who in (bob, anonymous):
        answer = who.get(queue)
        assert answer.status_code in (400, 401, 403) or ids(answer.json["_items"]) == []
    assert alice.post(f"/comments/{comment}/approve").json["status"] == "published"
    assert count(app, film) == 1 and anonymous.get(f"/comments/{comment}").status_code == 200
    assert ids(anonymous.get(f"/videos/{film}/comments").json["_items"]) == [comment]


def test_held_reply_is_in_the_queue_too(app, film, say, alice, bob):
    first = say(alice)
    set_policy(app, film, "approval")
    reply = say(bob, parent=first)
    queue = walk(alice, f'/videos/{film}/comments?where={{"status":"held"}}')
    assert ids(queue) == [reply] and stored(app, first)["counters"]["replies"] == 0
    alice.post(f"/comments/{reply}/approve")
    assert stored(app, first)["counters"]["replies"] == 1


@pytest.mark.parametrize("deed", ["approve", "reject"])
def test_author_cannot_decide_on_his_own_comment(app, film, say, bob, town, anonymous, deed):
    set_policy(app, film, "approval")
    comment = say(bob)
    refused(bob.post(f"/comments/{comment}/{deed}"), 403)
    refused(town.newcomer().post(f"/comments/{comment}/{deed}"), 404)
    refused(anonymous.post(f"/comments/{comment}/{deed}"), 404)
    assert stored(app, comment)["status"] == "held"


def test_decisions_by_two_at_once_count_once(app, film, say, alice, carol, bob):
    set_policy(app, film, "approval")
    comment = say(bob)
    answers = at_once([lambda w=w: w.post(f"/comments/{comment}/approve") for w in (alice, carol) * 4])
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) == 1 and set(statuses) == {200, 409}
    assert count(app, film) == 1
    assert alice.post(f"/comments/{comment}/reject").status_code == 200
    refused(alice.post(f"/comments/{comment}/reject"), 409)
    assert count(app, film) == 0


def test_approved_comment_that_is_edited_waits_again(app, film, say, alice, bob):
    set_policy(app, film, "approval")
    comment = say(bob)
    alice.post(f"/comments/{comment}/approve")
    assert bob.patch(f"/comments/{comment}", {"text": "Something else"}).status_code == 200
    assert stored(app, comment)["status"] == "held" and count(app, film) == 0


def test_rejected_comment_stays_rejected_when_edited(app, film, say, alice, bob):
    comment = say(bob)
    alice.post(f"/comments/{comment}/reject")
    bob.patch(f"/comments/{comment}", {"text": "Again"})
    assert stored(app, comment)["status"] == "rejected"


def test_host_and_his_comments_need_no_approval(app, film, say, alice):
    set_policy(app, film, "approval")
    assert stored(app, say(alice))["status"] == "published"


# Blocks


def test_blocked_user_can_neither_comment_nor_edit(app, film, studio, say, alice, town):
    pest = town.newcomer()
    comment = say(pest)
    block = alice.post(
        "/blocks", {"scope": "channel", "channel": studio.channel, "user": str(pest.user["_id"])}
    )
    assert block.status_code == 201, block.json
    assert refused(pest.post(f"/videos/{film}/comments", {"text": "x"}), 403) == "blocked"
    assert refused(pest.post(f"/videos/{film}/comments", {"text": "x", "parent": comment}), 403) == "blocked"
    assert refused(pest.patch(f"/comments/{comment}", {"text": "Worse"}), 403) == "blocked"
    assert pest.delete(f"/comments/{comment}").status_code == 204
    assert alice.delete(f"/blocks/{block.json['_id']}").status_code == 204
    say(pest)


def test_block_of_one_channel_is_none_of_another(app, alice, erin, studio, say, town):
    pest = town.newcomer()
    theirs = Studio(app, erin)
    alice.post("/blocks", {"scope": "channel", "channel": studio.channel, "user": str(pest.user["_id"])})
    say(pest, video=theirs.film())


def test_block_on_the_site_is_a_moderators(app, film, say, alice, carol, town):
    pest = town.newcomer()
    body = {"scope": "site", "user": str(pest.user["_id"])}
    refused(alice.post("/blocks", body), 403)
    assert carol.post("/blocks", body).status_code == 201
    assert refused(pest.post(f"/videos/{film}/comments", {"text": "x"}), 403) == "blocked"


def test_nobody_blocks_in_a_channel_of_others(studio, bob, town):
    body = {"scope": "channel", "channel": studio.channel, "user": str(town.newcomer().user["_id"])}
    refused(bob.post("/blocks", body), 403)


def test_blocks_are_not_for_strangers_to_see(studio, alice, bob, town):
    body = {"scope": "channel", "channel": studio.channel, "user": str(town.newcomer().user["_id"])}
    block = alice.post("/blocks", body).json["_id"]
    refused(bob.get(f"/blocks/{block}"), 404)
    assert block not in bob.get("/blocks").text


# Bad targets and bad texts


@pytest.mark.parametrize("state", ["private", "draft", "deleted", "nowhere"])
def test_what_one_cannot_read_one_cannot_comment_on(studio, bob, state):
    video = {
        "private": lambda: studio.film("private"),
        "draft": lambda: studio.film(status="DRAFT"),
        "deleted": studio.deleted,
        "nowhere": lambda: "f" * 24,
    }[state]()
    refused(bob.post(f"/videos/{video}/comments", {"text": "x"}), 404)
    refused(bob.post("/comments", {"video": video, "text": "x"}), 422)


def test_comments_vanish_with_the_sight_of_their_video(app, film, say, bob, town, anonymous):
    comment = say(bob)
    reply = say(bob, parent=comment)
    app.store.change("videos", {"_id": ObjectId(film)}, set={"visibility": "private"})
    for path in (
        f"/comments/{comment}",
        f"/comments/{reply}",
        f"/comments/{comment}/replies",
        f"/videos/{film}/comments",
    ):
        for who in (town.newcomer(), anonymous):
            refused(who.get(path), 404)
    where = f'/comments?where={{"video":"{film}","parent":null}}'
    for who in (town.newcomer(), anonymous):
        answer = who.get(where)
        assert answer.status_code >= 400 or answer.json["_items"] == []


def test_comment_cannot_be_made_by_a_stranger_without_account(film, anonymous):
    refused(anonymous.post(f"/videos/{film}/comments", {"text": "x"}), 401)


TEXTS = [
    TEXT,
    "x" * 5000,
    "\U0001f980" * 5000,
    "a\nb\tc\n\nd",
    "\u202eabc",
    "\ufeffabc ",
    "\ud7ff\ue000",
    "${jndi:ldap://x}",
    "'; DROP TABLE comments; --",
    "]]>",
    "<![CDATA[x]]>",
    '{"$gt":1}',
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:24])
def test_any_text_comes_back_as_it_was_sent(film, say, bob, anonymous, text):
    comment = say(bob, text)
    answer = anonymous.get(f"/comments/{comment}")
    assert answer.json["text"] == text
    assert answer.mimetype == "application/json"
    assert [one["text"] for one in anonymous.get(f"/videos/{film}/comments").json["_items"]] == [text]
    assert (
        bob.patch(f"/comments/{comment}", {"text": text + "" if len(text) == 5000 else text}).status_code
        == 200
    )


@pytest.mark.parametrize(
    "text",
    [OLD_TEXT, "\x00\x01\x1b[31m\x7f\x9f", "   ", "\ufeff", "a\uffff"],
    ids=lambda text: ascii(text)[:24],
)
def test_what_is_no_text_for_people_is_refused(film, bob, text):
    refused(bob.post(f"/videos/{film}/comments", {"text": text}), 422)


@pytest.mark.parametrize(
    "text", ["", "x" * 5001, "x" * 10_000, None, 5, True, ["x"], {"a": 1}], ids=lambda t: repr(t)[:12]
)
def test_bad_text_is_refused_and_nothing_is_written(app, film, say, bob, text):
    refused(bob.post(f"/videos/{film}/comments", {"text": text}), 422)
    comment = say(bob)
    refused(bob.patch(f"/comments/{comment}", {"text": text}), 422)
    assert stored(app, comment)["text"] == "Hello" and count(app, film) == 1


def test_lone_surrogate_is_refused(film, bob):
    answer = bob.call(
        "POST",
        f"/videos/{film}/comments",
        data=b'{"text":"\\ud800"}',
        headers={"Content-Type": "application/json"},
    )
    refused(answer, 400)


# Mentions


def test_mentions_are_those_who_exist_each_once(app, say, alice, bob, carol):
    text = "@Alice, @alice @CAROL. @nobody-here mail@bob.org @@dana x@carol @" + "a" * 40
    assert set(stored(app, say(bob, text))["mentions"]) == {alice.user["_id"], carol.user["_id"]}


def test_mentions_follow_an_edit(app, say, bob, alice, carol):
    comment = say(bob, "@alice")
    bob.patch(f"/comments/{comment}", {"text": "@carol"})
    assert stored(app, comment)["mentions"] == [carol.user["_id"]]


def test_hundred_mentions_notify_twenty_at_most(app, say, bob, town):
    names = " ".join(f"@{one.user['username']}" for one in town.some(25))
    app.services.db.users.update_many(
        {"_id": {"$in": [one.user["_id"] for one in town.some(25)]}},
        [{"$set": {"username_key": {"$toLower": "$username"}}}],
    )
    assert len(stored(app, say(bob, names))["mentions"]) == 20


def test_pathological_text_is_searched_for_mentions_at_once(say, bob):
    import time

    began = time.monotonic()
    for text in ("@" * 5000, "@a" * 2500, "@" + "a-." * 1600, ".@-" * 1600):
        say(bob, text)
    assert time.monotonic() - began < patience(2)


# Lists


@pytest.fixture(scope="module")
def busy(app, studio, bob, carol, town):
    """A film with 60 comments, the first with 40 replies, with likes that tie."""
    film = studio.film()
    people = town.some(5)
    first = bob.post(f"/videos/{film}/comments", {"text": "first"}).json["_id"]
    threads = [first] + [
        bob.post(f"/videos/{film}/comments", {"text": str(n)}).json["_id"] for n in range(59)
    ]
    replies = [
        carol.post(f"/videos/{film}/comments", {"text": str(n), "parent": first}).json["_id"]
        for n in range(40)
    ]
    for number, comment in enumerate(threads):
        for person in people[: number % 4]:
            assert person.put(f"/comments/{comment}/like").status_code == 200
    return film, threads, replies


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 60, 100])
def test_newest_first_page_by_page_without_gap_or_duplicate(busy, anonymous, size):
    film, threads, _ = busy
    assert ids(walk(anonymous, f"/videos/{film}/comments?max_results={size}")) == threads[::-1]


@pytest.mark.parametrize("size", [1, 7, 60, 100])
def test_top_first_page_by_page_without_gap_or_duplicate(busy, anonymous, size):
    film, threads, _ = busy
    top = walk(anonymous, f"/videos/{film}/comments?sort=-counters.likes&max_results={size}")
    assert sorted(ids(top)) == sorted(threads)
    likes = [one["counters"]["likes"] for one in top]
    assert likes == sorted(likes, reverse=True) and set(likes) == {0, 1, 2, 3}


@pytest.mark.parametrize("size", [1, 7, 100])
def test_replies_oldest_first_page_by_page_without_gap_or_duplicate(busy, anonymous, size):
    _, threads, replies = busy
    assert ids(walk(anonymous, f"/comments/{threads[0]}/replies?max_results={size}")) == replies


def test_pages_keep_their_place_while_others_write(busy, app, anonymous, bob):
    """What was there when the reading began is read exactly once, whatever comes in between."""
    film, threads, _ = busy
    path, seen = f"/videos/{film}/comments?max_results=5", []
    while path:
        page = anonymous.get(path).json
        seen += ids(page["_items"])
        bob.delete(f"/comments/{bob.post(f'/videos/{film}/comments', {'text': 'late'}).json['_id']}")
        path = page["_links"].get("next", {}).get("href")
    assert seen == threads[::-1]


def test_cursor_of_one_list_opens_no_other(busy, anonymous):
    film, threads, _ = busy
    cursor = (
        anonymous.get(f"/videos/{film}/comments?max_results=5")
        .json["_links"]["next"]["href"]
        .split("cursor=")[1]
    )
    for path in (
        f"/videos/{film}/comments?sort=-counters.likes&cursor={cursor}",
        f"/comments/{threads[0]}/replies?cursor={cursor}",
        f"/videos/{film}/comments?cursor={cursor[:-1]}",
        f"/videos/{film}/comments?cursor=A{cursor}",
        f"/videos?cursor={cursor}",
        f"/feed/trending?cursor={cursor}",
        f"/search?q=x&cursor={cursor}",
        f"/feed/home?cursor={cursor}",
    ):
        assert refused(anonymous.get(path), 400) == "bad_cursor"


def test_all_counters_here_are_true(app, busy):
    assert list(verify(app.store, settle=0.01)) == []
