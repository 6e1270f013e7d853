"""What is one's own: playlists, Watch later, history, subscriptions; many hands at once, and strangers' hands."""

import random

import pytest
from bson import ObjectId

from machine.counters.recount import verify
from tests.studio import TEXT, at_once, ids, refused, walk


@pytest.fixture(scope="module")
def films(studio):
    return [studio.film() for _ in range(12)]


@pytest.fixture
def playlist(bob, films):
    """A public playlist of bob's with twelve films; the ids of its items stand in order."""
    made = bob.post("/playlists", {"title": "Mine", "visibility": "public"}).json["_id"]
    items = [bob.post(f"/playlists/{made}/items", {"video": film}).json["_id"] for film in films]
    return made, items


def order(client, playlist):
    return ids(walk(client, f"/playlists/{playlist}/items?max_results=5"))


def move(client, item, after):
    return client.post(f"/playlist_items/{item}/move", {"after": after})


# Playlists


def test_random_moves_leave_the_order_of_a_plain_list(bob, playlist):
    made, items = playlist
    dice, model = random.Random(3), list(items)
    for _ in range(60):
        item = dice.choice(model)
        model.remove(item)
        place = dice.randrange(len(model) + 1)
        assert move(bob, item, model[place - 1] if place else None).status_code == 200
        model.insert(place, item)
    assert order(bob, made) == model


def test_moves_to_one_place_for_ever_keep_finding_room(bob, playlist):
    made, items = playlist
    for turn in range(50):
        assert move(bob, items[1 + turn % 2], items[0]).status_code == 200
        assert move(bob, items[3 + turn % 2], None).status_code == 200
    assert sorted(order(bob, made)) == sorted(items)
    assert order(bob, made)[:2] == [items[4], items[3]]


def test_concurrent_moves_lose_no_item_and_leave_one_order(app, bob, playlist):
    made, items = playlist
    dice = random.Random(4)
    calls = []
    for _ in range(80):
        item, after = dice.sample(items, 2)
        after = dice.choice([after, None])
        calls.append(lambda i=item, a=after: move(bob, i, a))
    statuses = {answer.status_code for answer in at_once(calls, 8)}
    assert statuses <= {200, 503}, statuses
    found = order(bob, made)
    assert sorted(found) == sorted(items) and order(bob, made) == found
    assert app.store.get("playlists", ObjectId(made))["counters"]["items"] == len(items)


def test_items_added_at_once_are_all_there_once(app, bob, films):
    made = bob.post("/playlists", {"title": "Fast"}).json["_id"]
    calls = [lambda f=film: bob.post(f"/playlists/{made}/items", {"video": f}) for film in films * 2]
    statuses = [answer.status_code for answer in at_once(calls, 8)]
    assert statuses.count(201) == len(films) and set(statuses) == {201, 409}
    assert len(order(bob, made)) == len(films)
    assert app.store.get("playlists", ObjectId(made))["counters"]["items"] == len(films)


@pytest.mark.parametrize("after", ["", "x", 5, [], {"a": 1}, "f" * 24, "A" * 24, "a" * 24 + "\n", True])
def test_odd_place_is_refused_and_moves_nothing(bob, playlist, after):
    made, items = playlist
    refused(move(bob, items[3], after), 422)
    assert order(bob, made) == items


def test_item_cannot_follow_itself_or_one_of_another_list(bob, playlist, films):
    _, items = playlist
    other = bob.post("/playlists", {"title": "Other"}).json["_id"]
    foreign = bob.post(f"/playlists/{other}/items", {"video": films[0]}).json["_id"]
    refused(move(bob, items[0], items[0]), 422)
    refused(move(bob, items[0], foreign), 422)


@pytest.mark.parametrize("method", ["move", "delete", "patch", "add", "title", "drop"])
def test_stranger_changes_nothing_in_a_playlist(playlist, carol, town, anonymous, bob, films, studio, method):
    made, items = playlist
    film = studio.film()
    for who, statuses in ((town.newcomer(), (403, 404)), (anonymous, (401,))):
        answer = {
            "move": lambda who=who: move(who, items[0], None),
            "delete": lambda who=who: who.delete(f"/playlist_items/{items[0]}"),
            "patch": lambda who=who: who.patch(f"/playlist_items/{items[0]}", {"note": "x"}),
            "add": lambda who=who: who.post(f"/playlists/{made}/items", {"video": film}),
            "title": lambda who=who: who.patch(f"/playlists/{made}", {"title": "x"}),
            "drop": lambda who=who: who.delete(f"/playlists/{made}"),
        }[method]()
        refused(answer, *statuses)
    assert order(bob, made) == items and bob.get(f"/playlists/{made}").json["title"] == "Mine"


def test_private_film_in_a_public_playlist_tells_nothing_of_itself(app, bob, anonymous, studio):
    made = bob.post("/playlists", {"title": "Open", "visibility": "public"}).json["_id"]
    film = studio.film(title="Soon secret title")
    bob.post(f"/playlists/{made}/items", {"video": film})
    app.store.change("videos", {"_id": ObjectId(film)}, set={"visibility": "private"})
    for who in (anonymous, bob):
        assert "secret title" not in who.get(f"/playlists/{made}/items?embedded=video").text


def test_private_film_cannot_be_added(bob, studio):
    made = bob.post("/playlists", {"title": "Open"}).json["_id"]
    for film in (studio.film("private"), studio.deleted(), "f" * 24):
        refused(bob.post(f"/playlists/{made}/items", {"video": film}), 404, 422)
        refused(bob.put(f"/me/watch-later/{film}"), 404)


def test_text_of_a_playlist_is_kept_as_text(bob):
    made = bob.post("/playlists", {"title": TEXT, "description": TEXT * 20})
    assert made.status_code == 201 and made.json["title"] == TEXT
    refused(bob.post("/playlists", {"title": "x" * 10_000}), 422)
    refused(bob.post("/playlists", {"title": ""}), 422)


# Watch later


def test_watch_later_is_one_however_many_ask(app, town, films):
    one = town.newcomer()
    answers = at_once([lambda f=film: one.put(f"/me/watch-later/{f}") for film in films * 2])
    assert {answer.status_code for answer in answers} == {200}
    lists = app.services.db.playlists.count_documents({"owner": one.user["_id"]})
    items = app.services.db.playlist_items.count_documents({"owner": one.user["_id"]})
    assert (lists, items) == (1, len(films))
    assert one.get("/me/watch-later").json["counters"]["items"] == len(films)


def test_watch_later_cannot_be_deleted(town, films):
    one = town.newcomer()
    one.put(f"/me/watch-later/{films[0]}")
    made = one.get("/me/watch-later").json
    refused(one.delete(f"/playlists/{made['_id']}"), 403, 405, 409)
    assert one.get("/me/watch-later").json["_id"] == made["_id"]


def test_watch_later_stays_private(town, films, anonymous):
    one = town.newcomer()
    made = one.get("/me/watch-later").json["_id"]
    for body in ({"visibility": "public"}, {"visibility": "unlisted"}):
        refused(one.patch(f"/playlists/{made}", body), 422)
        refused(one.put(f"/playlists/{made}", {"title": "x", **body}, "*"), 422)
    refused(anonymous.get(f"/playlists/{made}"), 404)
    refused(town.newcomer().get(f"/playlists/{made}/items"), 404)


def test_watch_later_forgets_twice(town, films):
    one = town.newcomer()
    one.put(f"/me/watch-later/{films[0]}")
    for _ in range(2):
        assert one.delete(f"/me/watch-later/{films[0]}").status_code == 204
    assert one.get("/me/watch-later").json["counters"]["items"] == 0


def test_playlisted_names_my_own_lists_alone(bob, playlist, films, town):
    made, _ = playlist
    assert made in bob.get(f"/me/playlisted?ids={films[0]}").json["playlists"][films[0]]
    assert town.newcomer().get(f"/me/playlisted?ids={films[0]}").json["playlists"] == {films[0]: []}


# Subscriptions


def test_subscriptions_of_a_crowd_count_exactly(app, studio, town):
    people, path = town.some(20), f"/channels/{studio.channel}/subscription"
    calls = [lambda p=p: p.put(path) for p in people * 3] + [lambda p=p: p.delete(path) for p in people[:10]]
    random.Random(5).shuffle(calls)
    assert {answer.status_code for answer in at_once(calls)} == {200}
    true = app.services.db.subscriptions.count_documents({"channel": ObjectId(studio.channel)})
    assert app.store.get("channels", ObjectId(studio.channel))["counters"]["subscribers"] == true
    rows = app.services.db.subscriptions.aggregate(
        [{"$group": {"_id": ["$user", "$channel"], "n": {"$sum": 1}}}]
    )
    assert all(row["n"] == 1 for row in rows)


def test_private_subscription_is_in_no_list_of_others(studio, town, anonymous, alice):
    shy, bold = town.newcomer(), town.newcomer()
    path = f"/channels/{studio.channel}"
    shy.put(f"{path}/subscription", {"visibility": "private"})
    bold.put(f"{path}/subscription", {"visibility": "public"})
    for who in (anonymous, alice, town.newcomer()):
        users = [one["user"] for one in walk(who, f"{path}/subscribers")]
        assert str(bold.user["_id"]) in users and str(shy.user["_id"]) not in users
        assert "level" not in who.get(f"{path}/subscribers").json["_items"][0]


@pytest.mark.parametrize(
    "body", [{"level": "loud"}, {"level": None}, {"visibility": "x"}, {"user": "f" * 24}, {"level": ["all"]}]
)
def test_odd_subscription_is_refused(app, studio, town, body):
    one = town.newcomer()
    refused(one.put(f"/channels/{studio.channel}/subscription", body), 422)
    assert app.services.db.subscriptions.count_documents({"user": one.user["_id"]}) == 0


# History


def watch(who, film, position=5):
    answer = who.post(f"/videos/{film}/views", {"position": position}, headers={"User-Agent": "Firefox"})
    assert answer.status_code == 200, answer.json


def test_history_is_resumed_paused_cleared_and_weeded(town, films):
    one = town.newcomer()
    for number, film in enumerate(films[:4]):
        watch(one, film, number + 1)
    watch(one, films[0], 99)
    positions = one.get(f"/me/positions?ids={','.join(films[:5])}").json["positions"]
    assert positions[films[0]] == {"position": 99.0, "completed": True}
    assert positions[films[3]]["position"] == 4.0 and films[4] not in positions
    for _ in range(2):
        assert one.delete(f"/me/history/{films[1]}").status_code == 204
    assert set(one["video"] for one in walk(one, "/watch_history?max_results=2")) == {
        films[0],
        films[2],
        films[3],
    }
    assert one.patch("/me", {"settings": {"history_paused": True}}).status_code == 200
    watch(one, films[5])
    assert len(walk(one, "/watch_history")) == 3
    for _ in range(2):
        assert one.delete("/me/history").status_code == 204
    assert walk(one, "/watch_history") == []


def test_history_is_for_no_other_eyes(town, films, carol, dana, anonymous):
    one = town.newcomer()
    watch(one, films[0])
    entry = one.get("/watch_history").json["_items"][0]["_id"]
    for who in (town.newcomer(), carol, dana):
        refused(who.get(f"/watch_history/{entry}"), 404)
        assert entry not in who.get("/watch_history").text
    refused(anonymous.get("/watch_history"), 401)


def test_heartbeats_from_many_threads_leave_one_entry(app, town, films):
    one = town.newcomer()
    calls = [lambda n=n: one.post(f"/videos/{films[0]}/views", {"position": n}) for n in range(48)]
    assert {answer.status_code for answer in at_once(calls)} == {200}
    assert app.services.db.watch_history.count_documents({"user": one.user["_id"]}) == 1


def test_all_counters_here_are_true(app, films):
    assert list(verify(app.store, settle=0.01)) == []


def test_items_moved_to_one_place_at_once_can_still_be_told_apart(bob, playlist):
    """Two that were given one place by chance would let nobody in between them any more."""
    made, items = playlist
    for _ in range(5):
        at_once([lambda i=item: move(bob, i, items[0]) for item in items[3:11]], 8)
        first, second, *_ = [one for one in order(bob, made) if one in items[3:11]]
        assert move(bob, items[11], first).status_code == 200
        assert order(bob, made)[1:4] == [first, items[11], second]
        move(bob, items[11], None)


def test_items_added_at_once_can_still_be_told_apart(app, bob, films):
    made = bob.post("/playlists", {"title": "Fast"}).json["_id"]
    at_once([lambda f=film: bob.post(f"/playlists/{made}/items", {"video": f}) for film in films], 8)
    found = app.services.db.playlist_items.distinct("position", {"playlist": ObjectId(made)})
    assert len(found) == len(films)
