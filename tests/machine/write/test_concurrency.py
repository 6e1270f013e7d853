"""Many at once: one wins, the others are told, and nothing is counted twice or lost."""

import threading
from collections import Counter

import pytest
from bson import ObjectId

from tests.audience import make_ready
from tests.conftest import Client

MANY = 24


def at_once(works):
    """Run callables in threads that start together; return what each returned."""
    gate, results = threading.Barrier(len(works)), [None] * len(works)

    def run(i, work):
        gate.wait()
        results[i] = work()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def clone(client):
    return Client(client.app, client.token, client.user)


@pytest.fixture
def video(alice, name):
    channel = alice.post("/channels", {"handle": name, "name": "x"}).json["_id"]
    return alice.post("/videos", {"channel": channel, "title": "x"}).json


def statuses(answers):
    return Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("by_worker", [False, True], ids=["fresh", "after a worker wrote it"])
def test_of_many_patches_with_one_etag_one_wins(app, alice, video, by_worker):
    id_ = ObjectId(video["_id"])
    etag = (
        app.store.change("videos", {"_id": id_}, set={"duration": 5})["_etag"]
        if by_worker
        else video["_etag"]
    )
    answers = at_once(
        [lambda i=i: clone(alice).patch(f"/videos/{id_}", {"title": f"T{i}"}, etag) for i in range(MANY)]
    )
    assert statuses(answers) == {200: 1, 412: MANY - 1}
    winner = next(one for one in answers if one.status_code == 200)
    assert app.store.get("videos", id_)["title"] == winner.json["title"]


def test_a_workers_change_makes_the_editors_etag_stale(app, alice, video):
    app.store.change("videos", {"_id": ObjectId(video["_id"])}, set={"duration": 5})
    assert alice.patch(f"/videos/{video['_id']}", {"title": "x"}, video["_etag"]).status_code == 412


@pytest.mark.parametrize("attempt", range(5))
def test_of_delete_and_patch_with_one_etag_one_wins(app, alice, video, attempt):
    path, etag = f"/videos/{video['_id']}", video["_etag"]
    works = [
        lambda: clone(alice).delete(path, etag),
        lambda: clone(alice).patch(path, {"title": "y"}, etag),
    ] * 4
    answers = at_once(works)
    won = [one.status_code for one in answers if one.status_code < 300]
    assert len(won) == 1 and statuses(answers).keys() <= {200, 204, 404, 412}
    after = app.store.get("videos", ObjectId(video["_id"]))
    assert bool(after["deleted_at"]) == (won == [204])


def test_of_many_deletes_one_wins_and_counts_once(app, alice, video):
    id_ = ObjectId(video["_id"])
    make_ready(app.store, id_, visibility="public")
    channel = ObjectId(video["channel"])
    assert app.store.get("channels", channel)["counters"]["videos"] == 1
    answers = at_once([lambda: clone(alice).delete(f"/videos/{id_}") for _ in range(12)])
    assert statuses(answers)[204] == 1
    assert app.store.get("channels", channel)["counters"]["videos"] == 0


def test_of_twenty_who_want_a_handle_one_gets_it(app, alice, bob, name):
    before = app.store.get("users", alice.user["_id"])["counters"]["channels"]
    works = [lambda i=i: clone(alice).post("/channels", {"handle": name, "name": f"{i}"}) for i in range(20)]
    answers = at_once(works)
    assert statuses(answers) == {201: 1, 409: 19}
    assert {one.json["reason"] for one in answers if one.status_code == 409} == {"handle_taken"}
    assert app.store.get("users", alice.user["_id"])["counters"]["channels"] == before + 1


def test_of_bulks_that_clash_one_is_written_whole(app, alice, name):
    def bulk(i):
        return clone(alice).post(
            "/channels", [{"handle": f"{name}-{i}", "name": "x"}, {"handle": name, "name": "x"}]
        )

    answers = at_once([lambda i=i: bulk(i) for i in range(8)])
    assert statuses(answers) == {201: 1, 409: 7}
    assert app.store.collection("channels").count_documents({"handle": {"$regex": f"^{name}"}}) == 2


def test_changes_by_workers_are_all_kept(app, alice, video):
    id_ = ObjectId(video["_id"])
    at_once([lambda i=i: app.store.change("videos", {"_id": id_}, push={"tags": f"t{i}"}) for i in range(12)])
    assert sorted(app.store.get("videos", id_)["tags"]) == sorted(f"t{i}" for i in range(12))


def test_visibility_flipped_by_many_leaves_the_counter_right(app, alice, video):
    id_, channel = ObjectId(video["_id"]), ObjectId(video["channel"])
    make_ready(app.store, id_)
    words = ["public", "private", "unlisted"] * 4
    at_once([lambda w=w: clone(alice).patch(f"/videos/{id_}", {"visibility": w}) for w in words])
    expected = 1 if app.store.get("videos", id_)["visibility"] == "public" else 0
    assert app.store.get("channels", channel)["counters"]["videos"] == expected
