"""Playlists: privacy, order without renumbering, Watch later."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId

from features.engagement.ordering import HEAD, TAIL, after, before, between
from tests.audience import counters, make_channel, make_video, walk
from tests.conftest import Client


@pytest.fixture(scope="module")
def videos(alice):
    channel = make_channel(alice)
    return [make_video(alice, channel, title=f"video {n}") for n in range(5)]


def make_playlist(owner, **facts):
    answer = owner.post("/playlists", {"title": "A list", **facts})
    assert answer.status_code == 201, answer.json
    return answer.json["_id"]


def add(owner, playlist, video):
    answer = owner.post(f"/playlists/{playlist}/items", {"video": video})
    assert answer.status_code == 201, answer.json
    return answer.json["_id"]


def order(client, playlist):
    return [item["video"] for item in walk(client, f"/playlists/{playlist}/items?max_results=2")[0]]


def test_new_items_go_to_the_end(bob, videos):
    playlist = make_playlist(bob)
    for video in videos:
        add(bob, playlist, video)
    assert order(bob, playlist) == videos
    assert counters(bob, f"/playlists/{playlist}")["items"] == 5


def test_bulk_keeps_its_order(bob, videos):
    playlist = make_playlist(bob)
    answer = bob.post(f"/playlists/{playlist}/items", [{"video": video} for video in videos])
    assert answer.status_code == 201, answer.json
    assert order(bob, playlist) == videos


def test_item_moves_anywhere_and_the_others_stay_as_they_are(bob, videos):
    playlist = make_playlist(bob)
    items = [add(bob, playlist, video) for video in videos]
    etags = {item: bob.get(f"/playlist_items/{item}").json["_etag"] for item in items}

    assert bob.post(f"/playlist_items/{items[4]}/move", {"after": None}).status_code == 200
    assert bob.post(f"/playlist_items/{items[0]}/move", {"after": items[3]}).status_code == 200

    assert order(bob, playlist) == [videos[n] for n in (4, 1, 2, 3, 0)]
    for item in items[1:4]:
        assert bob.get(f"/playlist_items/{item}").json["_etag"] == etags[item]


@pytest.mark.parametrize("where", ["itself", "elsewhere", "nothing"])
def test_item_cannot_be_placed_after_what_is_not_in_its_list(bob, videos, where):
    playlist, other = make_playlist(bob), make_playlist(bob)
    item = add(bob, playlist, videos[0])
    places = {"itself": item, "elsewhere": add(bob, other, videos[0]), "nothing": str(ObjectId())}
    assert bob.post(f"/playlist_items/{item}/move", {"after": places[where]}).status_code == 422


def test_stranger_can_neither_add_nor_move(alice, bob, videos):
    playlist = make_playlist(bob, visibility="public")
    item = add(bob, playlist, videos[0])
    assert alice.post(f"/playlists/{playlist}/items", {"video": videos[1]}).status_code == 403
    assert alice.post(f"/playlist_items/{item}/move", {"after": None}).status_code == 403
    assert alice.delete(f"/playlist_items/{item}").status_code == 403


def test_private_playlist_is_its_owners(alice, bob, anonymous, videos):
    playlist = make_playlist(bob)
    item = add(bob, playlist, videos[0])
    for path in (f"/playlists/{playlist}", f"/playlists/{playlist}/items", f"/playlist_items/{item}"):
        assert bob.get(path).status_code == 200
        assert alice.get(path).status_code == anonymous.get(path).status_code == 404


def test_unlisted_playlist_needs_its_link(bob, anonymous):
    playlist = make_playlist(bob, visibility="unlisted")
    assert anonymous.get(f"/playlists/{playlist}").status_code == 200
    assert playlist not in [one["_id"] for one in walk(anonymous, "/playlists")[0]]


def test_same_video_is_in_a_playlist_once(bob, videos):
    playlist = make_playlist(bob)
    add(bob, playlist, videos[0])
    answer = bob.post(f"/playlists/{playlist}/items", {"video": videos[0]})
    assert (answer.status_code, answer.json["reason"]) == (409, "not_unique")


def test_video_one_cannot_see_cannot_be_added(alice, bob):
    playlist = make_playlist(bob)
    private = make_video(alice, visibility="private")
    assert bob.post(f"/playlists/{playlist}/items", {"video": private}).status_code == 422


def test_item_of_a_video_that_became_private_tells_nothing_of_it(alice, bob, anonymous):
    playlist = make_playlist(bob, visibility="public")
    video = make_video(alice, title="Unspeakable")
    add(bob, playlist, video)
    alice.patch(f"/videos/{video}", {"visibility": "private"})
    assert "Unspeakable" not in anonymous.get(f"/playlists/{playlist}/items?embedded=video").text


def test_watch_later_takes_a_video_once_and_gives_it_back(alice, bob, videos):
    for _ in range(2):
        assert bob.put(f"/me/watch-later/{videos[0]}").status_code == 200
    later = bob.get("/me/watch-later").json
    assert (later["kind"], later["visibility"], later["counters"]["items"]) == ("watch_later", "private", 1)
    for _ in range(2):
        assert bob.delete(f"/me/watch-later/{videos[0]}").status_code == 204
    assert bob.get("/me/watch-later").json["counters"]["items"] == 0


def test_racing_watch_laters_make_one_playlist(app, carol, videos):
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda v: Client(app, carol.token).put(f"/me/watch-later/{v}"), videos * 3))
    assert {answer.status_code for answer in answers} == {200}
    mine = {"owner": carol.user["_id"], "kind": "watch_later"}
    assert app.services.db["playlists"].count_documents(mine) == 1
    assert carol.get("/me/watch-later").json["counters"]["items"] == len(videos)


def test_client_cannot_make_a_second_watch_later(bob):
    assert bob.post("/playlists", {"title": "x", "kind": "watch_later"}).status_code == 422


def test_one_request_tells_which_playlists_hold_which_videos(dana, videos):
    first, second = make_playlist(dana), make_playlist(dana)
    add(dana, first, videos[0])
    add(dana, second, videos[0])
    add(dana, second, videos[1])
    held = dana.get(f"/me/playlisted?ids={videos[0]},{videos[1]},{videos[2]}").json["playlists"]
    assert held == {videos[0]: [first, second], videos[1]: [second], videos[2]: []}


def test_deleted_item_is_counted_no_more(bob, videos):
    playlist = make_playlist(bob)
    item = add(bob, playlist, videos[0])
    bob.delete(f"/playlist_items/{item}")
    assert counters(bob, f"/playlists/{playlist}")["items"] == 0


@pytest.mark.parametrize("place", ["anywhere", "first", "last", "middle"])
def test_there_is_always_room_between_two_words(place):
    rng, words = random.Random(3), [after(None)]
    for _ in range(800):
        k = {
            "anywhere": rng.randrange(len(words) + 1),
            "first": 0,
            "last": len(words),
            "middle": len(words) // 2,
        }
        k = k[place]
        if k == 0:
            word = before(words[0])
        elif k == len(words):
            word = after(words[-1])
        else:
            word = between(words[k - 1], words[k])
        words.insert(k, word)
    assert words == sorted(set(words))


def test_words_stay_short_however_many_are_appended():
    last = None
    for _ in range(5000):
        last = after(last)
    assert len(last) == HEAD + TAIL
