"""Ratings: set and taken back, never toggled; whatever happens, the counters are the truth of the collection."""

import random

import pytest
from bson import ObjectId

from machine.counters.recount import verify
from tests.studio import at_once, ids, refused, walk

VALUES = {1: "likes", -1: "dislikes"}


@pytest.fixture
def comment(film, bob):
    return bob.post(f"/videos/{film}/comments", {"text": "Rate me"}).json["_id"]


def truth(app, target, value):
    return app.services.db.likes.count_documents({"target": ObjectId(target), "value": value})


def check_truth(app, resource, target):
    counters = app.store.get(resource, ObjectId(target))["counters"]
    assert counters["likes"] == truth(app, target, 1)
    assert counters["dislikes"] == truth(app, target, -1)
    pairs = {"$group": {"_id": ["$user", "$target"], "n": {"$sum": 1}}}
    rows = app.services.db.likes.aggregate([{"$match": {"target": ObjectId(target)}}, pairs])
    assert all(row["n"] == 1 for row in rows)


@pytest.mark.parametrize("kind", ["videos", "comments"])
def test_rating_set_twice_counts_once(app, film, comment, bob, kind):
    target = film if kind == "videos" else comment
    for _ in range(3):
        answer = bob.put(f"/{kind}/{target}/like", {"value": 1})
        assert answer.status_code == 200
        assert (answer.json["value"], answer.json["counters"]["likes"]) == (1, 1)
    check_truth(app, kind, target)


@pytest.mark.parametrize("kind", ["videos", "comments"])
def test_rating_that_flips_changes_sides(app, film, comment, bob, kind):
    target = film if kind == "videos" else comment
    for value in (1, -1, 1, -1):
        counters = bob.put(f"/{kind}/{target}/like", {"value": value}).json["counters"]
        assert (counters["likes"], counters["dislikes"]) == ((1, 0) if value == 1 else (0, 1))
    check_truth(app, kind, target)


@pytest.mark.parametrize("kind", ["videos", "comments"])
def test_rating_taken_back_twice_is_taken_back_once(app, film, comment, bob, carol, kind):
    target = film if kind == "videos" else comment
    carol.put(f"/{kind}/{target}/like")
    bob.put(f"/{kind}/{target}/like", {"value": -1})
    for _ in range(3):
        answer = bob.delete(f"/{kind}/{target}/like")
        assert answer.status_code == 200
        assert (answer.json["counters"]["likes"], answer.json["counters"]["dislikes"]) == (1, 0)
    check_truth(app, kind, target)


def test_body_is_optional_and_means_a_like(film, bob):
    assert bob.put(f"/videos/{film}/like").json["value"] == 1
    assert bob.put(f"/videos/{film}/like", {}).json["value"] == 1


BODIES = [
    {"value": 0},
    {"value": 2},
    {"value": True},
    {"value": "1"},
    {"value": 1.0},
    {"value": None},
    {"value": [1]},
    {"value": {"$gt": 0}},
    {"value": 1, "user": "x"},
    {"value": 10**19},
    {"user": "a" * 24},
    {"counters": {"likes": 100}},
]


@pytest.mark.parametrize("body", [*BODIES, [], 5, "x", None], ids=repr)
def test_odd_body_is_refused_and_rates_nothing(app, film, bob, body):
    import orjson

    answer = bob.call(
        "PUT",
        f"/videos/{film}/like",
        data=orjson.dumps(body) if body != {"value": 10**19} else b'{"value":10000000000000000000}',
        headers={"Content-Type": "application/json"},
    )
    refused(answer, 400, 422)
    assert truth(app, film, 1) == truth(app, film, -1) == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_stranger_without_account_cannot_rate(app, film, comment, anonymous, method):
    for path in (f"/videos/{film}/like", f"/comments/{comment}/like"):
        assert refused(anonymous.call(method, path), 401) == "unauthenticated"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("state", ["private", "draft", "processing", "deleted", "nowhere", "not an id"])
def test_what_one_cannot_read_one_cannot_rate(app, studio, bob, state, method):
    video = {
        "private": lambda: studio.film("private"),
        "draft": lambda: studio.film(status="DRAFT"),
        "processing": lambda: studio.film(status="PROCESSING"),
        "deleted": studio.deleted,
        "nowhere": lambda: "f" * 24,
        "not an id": lambda: "x" * 24,
    }[state]()
    refused(bob.call(method, f"/videos/{video}/like"), 404)
    assert app.services.db.likes.count_documents({"user": bob.user["_id"], "target": video}) == 0


def test_owner_cannot_rate_what_is_not_ready(studio, alice):
    assert refused(alice.put(f"/videos/{studio.film(status='DRAFT')}/like"), 409) == "illegal_state"


def test_unlisted_video_is_rated_by_its_link(studio, bob):
    assert bob.put(f"/videos/{studio.film('unlisted')}/like").status_code == 200


def test_comment_below_a_private_video_cannot_be_rated(app, film, comment, carol, bob, town):
    app.store.change("videos", {"_id": ObjectId(film)}, set={"visibility": "private"})
    refused(town.newcomer().put(f"/comments/{comment}/like"), 404)
    assert truth(app, comment, 1) == 0


@pytest.mark.parametrize("status", ["held", "rejected"])
def test_comment_out_of_sight_cannot_be_rated(app, comment, town, status):
    assert app.store.move("comments", {"_id": ObjectId(comment)}, "status", status)
    refused(town.newcomer().put(f"/comments/{comment}/like"), 404)


def test_ratings_of_a_hundred_are_told_and_one_more_is_refused(film, comment, bob):
    bob.put(f"/videos/{film}/like", {"value": -1})
    bob.put(f"/comments/{comment}/like")
    others = [str(ObjectId()) for _ in range(98)]
    ratings = bob.get(f"/me/ratings?ids={','.join([film, comment, *others])}").json["ratings"]
    assert ratings == {film: -1, comment: 1, **dict.fromkeys(others, 0)}
    refused(bob.get(f"/me/ratings?ids={','.join([film, comment, *others, 'a' * 24])}"), 400)


@pytest.mark.parametrize(
    "words",
    [
        "",
        ",",
        "x",
        "a" * 23,
        "a" * 25,
        "g" * 24,
        "aa " * 8,
        "%00" * 24,
        "%EF%BC%91" * 24,
        "$ne",
        "a" * 24 + ";" + "a" * 24,
    ],
)
def test_odd_ids_are_refused(bob, words):
    for path in ("/me/ratings", "/me/subscribed", "/me/positions", "/me/playlisted"):
        refused(bob.get(f"{path}?ids={words}"), 400)


def test_ratings_are_my_own(film, bob, carol, anonymous):
    bob.put(f"/videos/{film}/like")
    assert carol.get(f"/me/ratings?ids={film}").json["ratings"] == {film: 0}
    refused(anonymous.get(f"/me/ratings?ids={film}"), 401)
    refused(anonymous.get("/likes"), 401)


def test_liked_list_holds_mine_alone_newest_first(studio, town):
    one, other = town.newcomer(), town.newcomer()
    films = [studio.film() for _ in range(5)]
    for video in films:
        one.put(f"/videos/{video}/like")
        other.put(f"/videos/{video}/like", {"value": -1})
    assert [like["target"] for like in walk(one, "/likes?max_results=2")] == films[::-1]
    where = '{"target_type":"video","value":1}'
    assert len(walk(one, f"/likes?max_results=2&where={where}")) == 5
    assert walk(other, f"/likes?where={where}") == []


def test_like_cannot_be_written_but_at_its_target(app, film, bob, carol):
    bob.put(f"/videos/{film}/like")
    like = ids(bob.get("/likes").json["_items"])[0]
    refused(bob.post("/likes", {"target_type": "video", "target": film, "value": 1}), 405)
    refused(bob.patch(f"/likes/{like}", {"value": -1}), 405)
    refused(carol.delete(f"/likes/{like}"), 404)
    assert bob.delete(f"/likes/{like}").status_code == 204
    check_truth(app, "videos", film)


def storm(app, films, people, threads, rounds, seed):
    """Rate at random from many threads; the last word of each person on each film is what must stand."""
    dice = random.Random(seed)
    calls = []
    for person in people:
        for _ in range(rounds):
            path, value = f"/videos/{dice.choice(films)}/like", dice.choice([1, -1, 0])
            calls.append(lambda p=person, u=path, v=value: p.put(u, {"value": v}) if v else p.delete(u))
    dice.shuffle(calls)
    return at_once(calls, threads)


def test_everybody_at_once_counts_everybody_once(app, film, town):
    people = town.some(25)
    answers = at_once([lambda p=p: p.put(f"/videos/{film}/like") for p in people * 4])
    assert {answer.status_code for answer in answers} == {200}
    assert app.store.get("videos", ObjectId(film))["counters"]["likes"] == 25
    check_truth(app, "videos", film)


def test_one_person_from_many_threads_has_one_rating(app, film, town):
    (person,) = town.some(1)
    values = [1, -1, 0] * 16
    path = f"/videos/{film}/like"
    answers = at_once(
        [lambda v=v: person.put(path, {"value": v}) if v else person.delete(path) for v in values]
    )
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert app.services.db.likes.count_documents({"target": ObjectId(film)}) <= 1
    check_truth(app, "videos", film)


@pytest.mark.slow
def test_storm_of_fifty_leaves_exact_counters(app, studio, town):
    films = [studio.film() for _ in range(3)]
    answers = storm(app, films, town.some(50), 16, 8, seed=1)
    assert {answer.status_code for answer in answers} == {200}
    for video in films:
        check_truth(app, "videos", video)


@pytest.mark.slow
def test_storm_of_two_hundred_leaves_exact_counters(app, studio, town):
    films = [studio.film() for _ in range(3)]
    answers = storm(app, films, town.some(200), 16, 20, seed=2)
    assert {answer.status_code for answer in answers} <= {200, 503}
    for video in films:
        check_truth(app, "videos", video)
    assert list(verify(app.store, settle=0.01)) == []
