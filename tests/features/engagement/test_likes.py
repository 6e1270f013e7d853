"""Ratings: set, never toggled; counted exactly, whoever races with whom."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId

from tests.audience import counters, make_comment, make_video, reads_of, walk
from tests.conftest import Client, sign_up
from tests.field_reports import reported


@pytest.fixture(scope="module")
def video(alice):
    return make_video(alice)


def test_like_answers_the_new_counters(alice, bob):
    video = make_video(alice)

    answer = bob.put(f"/videos/{video}/like", {"value": 1})

    assert answer.status_code == 200
    assert answer.json["counters"]["likes"] == 1
    assert counters(bob, f"/videos/{video}")["likes"] == 1


def test_like_sent_twice_counts_once(alice, bob):
    video = make_video(alice)
    for _ in range(3):
        bob.put(f"/videos/{video}/like", {"value": 1})
    assert counters(bob, f"/videos/{video}")["likes"] == 1


def test_dislike_replaces_a_like(alice, bob):
    video = make_video(alice)
    bob.put(f"/videos/{video}/like", {"value": 1})

    answer = bob.put(f"/videos/{video}/like", {"value": -1})

    assert (answer.json["counters"]["likes"], answer.json["counters"]["dislikes"]) == (0, 1)


def test_taking_back_what_was_never_given_changes_nothing(bob, video):
    before = counters(bob, f"/videos/{video}")
    for _ in range(2):
        assert bob.delete(f"/videos/{video}/like").status_code == 200
    assert counters(bob, f"/videos/{video}") == before


def test_user_can_like_more_than_one_comment(alice, bob, video):
    for comment in [make_comment(alice, video) for _ in range(3)]:
        assert bob.put(f"/comments/{comment}/like", {"value": 1}).json["counters"]["likes"] == 1


def test_like_of_a_video_says_nothing_of_its_comments(alice, bob, video):
    comment = make_comment(alice, video)
    bob.put(f"/videos/{video}/like", {"value": 1})
    assert counters(bob, f"/comments/{comment}")["likes"] == 0


@pytest.mark.parametrize("value", [0, 2, -2, 1.5, "1", None, True])
def test_other_values_are_refused(bob, video, value):
    answer = bob.put(f"/videos/{video}/like", {"value": value})
    assert answer.status_code == 422
    assert "value" in answer.json["issues"]


def test_stranger_cannot_like_what_he_cannot_see(alice, bob):
    private = make_video(alice, visibility="private")
    for method in ("PUT", "DELETE"):
        assert bob.call(method, f"/videos/{private}/like", json={"value": 1}).status_code == 404
    assert counters(alice, f"/videos/{private}")["likes"] == 0


def test_anonymous_cannot_like(anonymous, video):
    assert anonymous.put(f"/videos/{video}/like", {"value": 1}).status_code == 401


def test_deleted_video_cannot_be_liked(alice, bob):
    video = make_video(alice)
    alice.delete(f"/videos/{video}")
    assert bob.put(f"/videos/{video}/like", {"value": 1}).status_code == 404


def test_ratings_of_many_are_answered_at_once(alice, bob):
    liked, disliked, neither = (make_video(alice) for _ in range(3))
    bob.put(f"/videos/{liked}/like", {"value": 1})
    bob.put(f"/videos/{disliked}/like", {"value": -1})

    answer = bob.get(f"/me/ratings?ids={liked},{disliked},{neither}")

    assert answer.json["ratings"] == {liked: 1, disliked: -1, neither: 0}


@pytest.mark.parametrize("ids", ["", "x", "0" * 23, ",".join(["0" * 24] * 2 + ["f" * 24 + "f"])])
def test_ratings_take_only_ids(bob, ids):
    assert bob.get(f"/me/ratings?ids={ids}").status_code == 400


def test_ratings_take_at_most_a_hundred(bob):
    assert bob.get("/me/ratings?ids=" + ",".join(str(ObjectId()) for _ in range(101))).status_code == 400


def test_list_of_likes_is_ones_own(alice, bob, carol):
    video = make_video(alice)
    bob.put(f"/videos/{video}/like", {"value": 1})
    assert video in [one["target"] for one in bob.get("/likes").json["_items"]]
    assert video not in [one["target"] for one in carol.get("/likes").json["_items"]]


def test_liked_videos_can_be_listed_apart(alice, bob):
    liked, disliked = make_video(alice), make_video(alice)
    bob.put(f"/videos/{liked}/like", {"value": 1})
    bob.put(f"/videos/{disliked}/like", {"value": -1})
    targets = [x["target"] for x in bob.get('/likes?where={"target_type":"video","value":1}').json["_items"]]
    assert liked in targets and disliked not in targets


def test_liked_videos_are_shown_latest_first_while_they_can_be_read(app, alice, dana):
    videos = [make_video(alice) for _ in range(4)]
    for video in videos:
        dana.put(f"/videos/{video}/like", {"value": 1})
    dana.put(f"/videos/{videos[0]}/like", {"value": -1})
    alice.patch(f"/videos/{videos[1]}", {"visibility": "unlisted"})
    alice.delete(f"/videos/{videos[2]}")

    items, pages = walk(dana, "/me/liked?max_results=1")

    assert [(item["_id"], item["reason"]) for item in items] == [(videos[3], "liked"), (videos[1], "liked")]
    assert len(reads_of(app, dana, "/me/liked?embedded=channel")) <= 3


def test_like_leaves_an_editors_etag_alone_and_renews_a_readers(alice, bob):
    video = make_video(alice)
    seen = alice.get(f"/videos/{video}").headers["ETag"]

    bob.put(f"/videos/{video}/like", {"value": 1})

    assert alice.get(f"/videos/{video}", headers={"If-None-Match": seen}).status_code == 200
    edited = alice.call("PATCH", f"/videos/{video}", json={"title": "New"}, headers={"If-Match": seen})
    assert edited.status_code == 200


def test_links_offer_the_rating_to_those_who_can_give_it(anonymous, bob, video):
    assert bob.get(f"/videos/{video}").json["_links"]["like"]["method"] == "PUT"
    assert "like" not in anonymous.get(f"/videos/{video}").json["_links"]


@reported(
    "Views",
    "A button that is pressed twice counts two likes",
    sent="the same like, many times at once",
    back="one document, and the counter says 1",
)
def test_racing_likes_of_one_user_count_once(app, alice, bob):
    video = make_video(alice)
    again = [Client(app, bob.token) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda client: client.put(f"/videos/{video}/like", {"value": 1}), again * 3))

    assert {answer.status_code for answer in answers} == {200}
    assert app.services.db["likes"].count_documents({"target": ObjectId(video)}) == 1
    assert counters(bob, f"/videos/{video}")["likes"] == 1


@pytest.mark.slow
def test_storm_of_ratings_leaves_counters_equal_to_the_truth(app, alice):
    video = make_video(alice)
    users = [sign_up(app, f"storm{n}") for n in range(12)]
    rng = random.Random(7)
    deeds = [(rng.choice(users), rng.choice([1, -1, 0])) for _ in range(300)]

    def rate(deed):
        user, value = deed
        client = Client(app, user.token)
        path = f"/videos/{video}/like"
        return (client.put(path, {"value": value}) if value else client.delete(path)).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(rate, deeds)) == {200}

    truth = {value: app.services.db["likes"].count_documents({"target": ObjectId(video), "value": value})
             for value in (1, -1)}  # fmt: skip
    shown = counters(alice, f"/videos/{video}")
    assert (shown["likes"], shown["dislikes"]) == (truth[1], truth[-1])


def test_count_that_a_crash_left_wrong_is_repaired(app, alice, bob):
    from machine.counters.repair_jobs import repair_counts

    video = ObjectId(make_video(alice))
    db = app.services.db
    # What a process leaves behind that dies between the like and its counter.
    app.store.effects.marks.begin([("videos", video)])
    like = {"user": bob.user["_id"], "target_type": "video", "target": video, "value": 1, "_etag": "x"}
    db["likes"].insert_one(like)
    db["pending_counts"].update_many({"parent": video}, [{"$set": {"until": "$$NOW"}}])

    assert repair_counts(app.store, settle=0.05) == 1

    assert db["videos"].find_one({"_id": video})["counters"]["likes"] == 1
    assert db["pending_counts"].count_documents({"parent": video}) == 0


def test_marks_of_a_living_process_are_taken_away(app, alice, bob):
    video = make_video(alice)
    bob.put(f"/videos/{video}/like", {"value": 1})
    marks = app.services.db["pending_counts"]
    assert marks.count_documents({"parent": ObjectId(video)}) == 1
    app.store.effects.marks.cleared = float("-inf")
    for mark in app.store.effects.marks.marks.values():
        mark.used = float("-inf")

    bob.put(f"/videos/{make_video(alice)}/like", {"value": 1})

    assert marks.count_documents({"parent": ObjectId(video)}) == 0
