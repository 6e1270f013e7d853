"""Cached answers are never wrong: private stays private, and every change is seen, here at once and elsewhere soon."""

import gzip
import threading
import time

import pytest
import zstandard
from bson import ObjectId

from api import create_app
from dev.stack import Stack
from policy.indexes import build_indexes
from policy.store import now
from settings import Settings
from tests.conftest import Client

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
    for state in ("UPLOADING", "PROCESSING", "READY"):
        assert app.store.move(
            "videos", {"_id": ObjectId(made["_id"])}, "status", state, set={"published_at": now()}
        )
    return made


def eventually(look, wanted, within=SOON):
    """Poll until `look()` gives what is wanted, and fail after `within` seconds."""
    deadline = time.monotonic() + within
    while (seen := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert seen == wanted


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
    begin = threading.Barrier(50)

    def visit(which):
        begin.wait()
        for _ in range(10):
            assert which.test_client().get(path).status_code == 200

    threads = [threading.Thread(target=visit, args=((app, elsewhere.app)[n % 2],)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
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
