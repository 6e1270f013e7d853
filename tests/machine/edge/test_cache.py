"""Cached answers are never wrong: private stays private, and every change is seen, here at once and elsewhere soon."""

import gzip
import threading
import time

import pytest
import zstandard
from bson import ObjectId
from werkzeug.test import EnvironBuilder, run_wsgi_app

from assembly import create_app
from clients import clock
from dev.stack import Stack
from features.discovery.trending_jobs import compute_trending
from machine.declare.indexes import build_indexes
from machine.edge.finished_answers import Sharing
from machine.http.route import Kept, RouteSpec
from machine.read.feeds import Feed
from settings import Settings
from tests.audience import FILE, make_ready
from tests.conftest import Client
from tests.patience import Deadline, patience

SOON = 0.25 + 0.15


@pytest.fixture(scope="module")
def elsewhere(app, settings):
    """Another process of the same deployment, as far as caches go."""
    other = create_app(settings)
    yield Client(other)
    other.services.close()


@pytest.fixture
def channel(alice, name):
    return alice.post("/channels", {"handle": name, "name": "first"}).json


@pytest.fixture
def video(app, alice, channel):
    made = alice.post("/videos", {"channel": channel["_id"], "title": "t", "visibility": "public"}).json
    make_ready(app.store, ObjectId(made["_id"]))
    return made


def eventually(look, wanted, within=SOON):
    """Poll until `look()` gives what is wanted, and fail after `within` seconds."""
    deadline = Deadline(within)
    while (seen := look()) != wanted and not deadline.over():
        time.sleep(0.01)
    assert seen == wanted


def storm(apps, path, readers):
    """Ask for a path from many threads at once, through each of these in turn, ten times each."""
    begin = threading.Barrier(readers)

    def visit(which):
        begin.wait()
        for _ in range(10):
            assert which.test_client().get(path).status_code == 200

    threads = [threading.Thread(target=visit, args=(apps[n % len(apps)],)) for n in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_private_document_read_by_its_owner_is_never_served_to_others(alice, anonymous, elsewhere, channel):
    private = alice.post("/videos", {"channel": channel["_id"], "title": "secret"}).json
    path = f"/videos/{private['_id']}"
    assert alice.get(path).status_code == 200
    assert anonymous.get(path).status_code == elsewhere.get(path).status_code == 404


def test_edit_is_seen_here_at_once_and_elsewhere_soon(alice, anonymous, elsewhere, channel):
    path = f"/channels/{channel['_id']}"
    assert anonymous.get(path).json["name"] == elsewhere.get(path).json["name"] == "first"
    alice.patch(path, {"name": "second"})
    assert anonymous.get(path).json["name"] == "second"
    eventually(lambda: elsewhere.get(path).json["name"], "second")


def test_edit_is_seen_in_lists_and_in_what_embeds_it(alice, anonymous, elsewhere, channel, video):
    path = f"/channels/{channel['_id']}/videos?embedded=channel"
    assert elsewhere.get(path).json["_items"][0]["channel"]["name"] == "first"
    alice.patch(f"/channels/{channel['_id']}", {"name": "second"})
    assert anonymous.get(path).json["_items"][0]["channel"]["name"] == "second"
    eventually(lambda: elsewhere.get(path).json["_items"][0]["channel"]["name"], "second")


def test_hidden_video_leaves_lists_and_its_own_page(alice, anonymous, elsewhere, channel, video):
    one, all_ = f"/videos/{video['_id']}", f"/channels/{channel['_id']}/videos"
    assert elsewhere.get(one).status_code == 200 and len(elsewhere.get(all_).json["_items"]) == 1
    alice.patch(one, {"visibility": "private"})
    assert anonymous.get(one).status_code == 404 and anonymous.get(all_).json["_items"] == []
    eventually(lambda: elsewhere.get(one).status_code, 404)
    eventually(lambda: elsewhere.get(all_).json["_items"], [])


def test_comments_vanish_with_their_video(alice, bob, elsewhere, video):
    path = f"/videos/{video['_id']}/comments"
    comment = bob.post(path, {"text": "hello"}).json
    assert len(elsewhere.get(path).json["_items"]) == 1
    assert elsewhere.get(f"/comments/{comment['_id']}").status_code == 200
    alice.delete(f"/videos/{video['_id']}")
    eventually(lambda: elsewhere.get(path).status_code, 404)
    eventually(lambda: elsewhere.get(f"/comments/{comment['_id']}").status_code, 404)


def test_counter_is_seen_and_changes_the_validator(bob, anonymous, elsewhere, video):
    path = f"/videos/{video['_id']}"
    before = elsewhere.get(path)
    bob.post(f"{path}/comments", {"text": "hello"})
    assert anonymous.get(path).json["counters"]["comments"] == 1
    eventually(lambda: elsewhere.get(path).json["counters"]["comments"], 1)
    known = {"If-None-Match": before.headers["ETag"]}
    assert elsewhere.get(path, headers=known).status_code == 200


def test_unchanged_answer_is_304_and_has_no_body(anonymous, channel):
    path = f"/channels/{channel['_id']}"
    etag = anonymous.get(path).headers["ETag"]
    again = anonymous.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")


def test_head_and_compressed_answers_agree_with_the_plain_one(anonymous, channel):
    path = f"/channels/{channel['_id']}"
    plain = anonymous.get(path)
    head = anonymous.call("HEAD", path)
    assert head.data == b"" and head.headers["Content-Length"] == str(len(plain.data))
    assert head.headers["ETag"] == plain.headers["ETag"]
    for encoding, unpack in (("gzip", gzip.decompress), ("zstd", zstandard.ZstdDecompressor().decompress)):
        packed = anonymous.get(path, headers={"Accept-Encoding": encoding})
        assert packed.headers["Content-Encoding"] == encoding and unpack(packed.data) == plain.data


def test_range_is_ignored_and_the_whole_comes(anonymous, channel):
    path = f"/channels/{channel['_id']}"
    assert anonymous.get(path, headers={"Range": "bytes=0-3"}).data == anonymous.get(path).data


def test_answer_overtaken_by_a_write_is_not_kept(app, alice, elsewhere, channel, monkeypatch):
    """A write that lands while an answer is being computed must win, however the two interleave."""
    path = f"/channels/{channel['_id']}"
    reader = elsewhere.app.reads["channels"]
    plain = type(reader).item

    def slow(self, *arguments):
        shown = plain(self, *arguments)
        alice.patch(path, {"name": "overtaking"})
        return shown

    monkeypatch.setattr(type(reader), "item", slow)
    elsewhere.get(path)
    monkeypatch.undo()
    eventually(lambda: elsewhere.get(path).json["name"], "overtaking")


def test_stampede_on_a_cold_key_computes_once(app, elsewhere, channel, monkeypatch):
    """500 requests through two processes for an answer that nobody has: one of them asks MongoDB."""
    path = f"/api/v1/channels/{channel['_id']}"
    kind = type(elsewhere.app.reads["channels"])
    plain, computed = kind.item, []

    def counting(self, *arguments):
        computed.append(1)
        time.sleep(0.05)
        return plain(self, *arguments)

    monkeypatch.setattr(kind, "item", counting)
    storm((app, elsewhere.app), path, readers=50)
    assert len(computed) == 1


@pytest.mark.slow
def test_answers_stay_right_when_redis_dies_and_returns(tmp_path):
    """Same answers, slower; and a change made while Redis was away is seen when it is back."""
    with Stack(tmp_path / "stack", parts=("mongo", "redis")) as stack:
        settings = Settings.from_env(stack.env, rate_limits=False, data_dir=tmp_path)
        app = create_app(settings)
        build_indexes(app.store)
        made = app.store.insert("channels", {"handle": "abc", "name": "first"})
        client, path = Client(app), f"/channels/{made['_id']}"
        assert client.get(path).json["name"] == "first"
        stack.kill("redis")
        app.store.change("channels", {"_id": made["_id"]}, set={"name": "second"})
        assert client.get(path).json["name"] == "second"
        stack.restart("redis")
        eventually(lambda: client.get(path).json["name"], "second", within=1)
        other = create_app(settings)
        eventually(lambda: app.services.cache.available, True, within=10)
        app.services.cache.bump(set())
        assert Client(other).get(path).json["name"] == "second"
        for one in (app, other):
            one.services.close()


@pytest.fixture
def other_video(app, alice, channel):
    """Return a function that publishes another video."""

    def publish(**values):
        made = alice.post("/videos", {"channel": channel["_id"], "visibility": "public", **values}).json
        make_ready(app.store, ObjectId(made["_id"]))
        return made["_id"]

    return publish


def found_by(client, path):
    return [one["_id"] for one in client.get(path).json["_items"]]


def test_search_finds_at_once_here_and_soon_elsewhere_what_is_published(
    anonymous, elsewhere, other_video, name
):
    path = f"/search?q={name}"
    assert found_by(anonymous, path) == found_by(elsewhere, path) == []
    made = other_video(title=name)
    assert found_by(anonymous, path) == [made]
    eventually(lambda: found_by(elsewhere, path), [made])


@pytest.mark.parametrize(
    "path", ["/search?q={word}", "/feed/trending", "/feed/home", "/videos/{video}/related"]
)
def test_hidden_video_leaves_feeds_here_at_once_and_elsewhere_soon(
    app, alice, anonymous, elsewhere, video, other_video, name, path
):
    app.services.db.trending.delete_many({})
    app.services.redis.flushdb()
    app.cache.clear()
    made = other_video(title=name)
    path = path.format(word=name, video=video["_id"])
    assert made in found_by(anonymous, path) and made in found_by(elsewhere, path)
    alice.patch(f"/videos/{made}", {"visibility": "private"})
    assert made not in found_by(anonymous, path)
    eventually(lambda: made in found_by(elsewhere, path), False)


def test_private_feed_is_never_served_to_others(alice, anonymous, channel, name):
    private = alice.post("/videos", {"channel": channel["_id"], "title": name}).json["_id"]
    for path in (f"/search?q={name}", "/feed/home", "/feed/trending"):
        alice.get(path)
        assert private not in found_by(anonymous, path)
    assert anonymous.get(f"/videos/{private}/related").status_code == 404


def test_new_trending_list_ends_the_kept_one(app, anonymous, elsewhere, other_video, name):
    made = other_video(title=name)
    app.services.db.trending.delete_many({})
    app.cache.clear()

    def reason():
        return {one["_id"]: one["reason"] for one in elsewhere.get("/feed/trending").json["_items"]}[made]

    assert reason() == "new"
    compute_trending(app.store)
    eventually(reason, "trending")


def test_feed_is_answered_by_the_front_as_the_application_answers_it(
    app, anonymous, elsewhere, other_video, name
):
    made = other_video(title=name)
    path = f"/search?q={name}&embedded=channel"
    first, again, there = anonymous.get(path), anonymous.get(path), elsewhere.get(path)
    assert first.data == again.data == there.data and first.json["_items"][0]["_id"] == made
    plain = app.wsgi_app.inner
    asked = EnvironBuilder(path="/api/v1/search", query_string=path.split("?")[1]).get_environ()
    direct = run_wsgi_app(plain, asked)
    assert b"".join(direct[0]) == first.data and direct[2]["ETag"] == first.headers["ETag"]
    mine = {"ETag", "Cache-Control", "Vary", "Content-Type", "RateLimit-Policy"}
    for one in (first, again):
        assert {name: one.headers.get(name) for name in mine} == {name: direct[2].get(name) for name in mine}
        assert one.headers["X-Request-Id"]
    assert first.headers["X-Request-Id"] != again.headers["X-Request-Id"]
    for client in (anonymous, elsewhere):
        known = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (known.status_code, known.data) == (304, b"")
        packed = client.get(path, headers={"Accept-Encoding": "gzip"})
        assert gzip.decompress(packed.data) == first.data
        head = client.call("HEAD", path)
        assert head.data == b"" and head.headers["ETag"] == first.headers["ETag"]


def test_refused_feed_is_refused_again_and_never_kept(anonymous):
    for _ in range(3):
        answer = anonymous.get("/feed/trending?window=century")
        assert (answer.status_code, answer.json["reason"]) == (400, "bad_query")
    assert anonymous.get("/search?q=x&cursor=AAAA").status_code == 400
    assert anonymous.get("/feed/trending").status_code == 200


@pytest.mark.parametrize(
    "facts",
    [{"method": "POST"}, {"rate": "login"}, {"access": "user"}, {"body": {}}, {"stream": True}],
    ids=str,
)
def test_only_plain_reads_for_anyone_can_be_kept(facts):
    plain = {"method": "GET", "path": "/x", "access": "anyone", "summary": "", "tag": "", "kept": Kept(1, ())}
    RouteSpec(**plain)
    with pytest.raises(ValueError, match="cannot be kept"):
        RouteSpec(**plain | facts)


def test_stampede_on_a_cold_feed_computes_once(app, elsewhere, other_video, name, monkeypatch):
    other_video(title=name)
    plain, computed = Feed.cut, []

    def counting(self, *arguments):
        computed.append(1)
        time.sleep(0.05)
        return plain(self, *arguments)

    monkeypatch.setattr(Feed, "cut", counting)
    storm((app, elsewhere.app), f"/api/v1/search?q={name}", readers=20)
    assert len(computed) == 1


def test_what_strangers_cannot_read_makes_no_list_stale(app, alice, channel):
    """Uploads under way, drafts and histories leave the kept lists alone; what is published does not."""
    marks = ["videos/", "videos#", f"videos/channel={channel['_id']}"]
    before = app.services.cache.generations(marks)
    draft = alice.post("/videos", {"channel": channel["_id"], "title": "t"}).json
    of_draft = app.services.cache.generations([f"videos:{draft['_id']}"])
    assert alice.patch(f"/videos/{draft['_id']}", {"title": "u", "visibility": "public"}).status_code == 200
    for state in ("UPLOADING", "PROCESSING"):
        assert app.store.move("videos", {"_id": ObjectId(draft["_id"])}, "status", state)
    assert app.services.cache.generations(marks) == before
    assert app.services.cache.generations([f"videos:{draft['_id']}"]) != of_draft
    ready = {**FILE, "published_at": clock.second()}
    assert app.store.move("videos", {"_id": ObjectId(draft["_id"])}, "status", "READY", set=ready)
    shown = app.services.cache.generations(marks)
    assert not set(shown) & set(before)
    assert alice.patch(f"/videos/{draft['_id']}", {"visibility": "private"}).status_code == 200
    assert not set(app.services.cache.generations(marks)) & set(shown)


def test_process_that_waits_for_another_takes_its_turn_when_that_one_kept_nothing(app, name):
    """A page that is overtaken by writes again and again is kept by nobody; who waits must not wait for it."""
    pages, key = app.wsgi_app.finished_answers, f"/{name}"
    sharing = Sharing("/x", 30, ("videos",))
    assert pages.cache.try_lock(key, 5)
    threading.Timer(0.1, pages.cache.unlock, [key]).start()
    began = time.monotonic()
    with pages.turn(key, sharing, held=None) as turn:
        assert turn.finished is None
        assert turn.finish(b"{}").answer.body == b"{}"
    assert 0.05 < time.monotonic() - began < patience(1)
