"""Words too common to look up: found in a sample, left out of searches, and still found when nothing else is asked."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from features.discovery import common_words
from features.discovery.common_word_jobs import note_common_words
from features.discovery.common_words import CommonWords
from tests.audience import explain, walk

LISTED = {"visibility": "public", "status": "READY", "deleted_at": None}


@pytest.fixture(scope="module")
def library(app):
    """Three thousand videos; each title has "the", every third "best", one "zebra"."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = []
    for n in range(3000):
        title = f"the {'best ' if n % 3 == 0 else ''}{'zebra ' if n == 7 else ''}film{n}"
        facts = {"title": title, "title_key": title, "channel": ObjectId(), "owner": ObjectId(), "_etag": "x"}
        rows.append({**LISTED, **facts, "published_at": start + timedelta(minutes=n)})
    app.services.db["videos"].insert_many(rows)
    note_common_words(app.store)
    app.services.common_words.read_at = float("-inf")


def titles(client, query):
    return [one["title"] for one in client.get(f"/search?q={query}&max_results=3").json["_items"]]


def test_common_words_are_found_commonest_first(app, library):
    assert app.services.db["search_words"].find_one({"_id": "videos"})["words"] == ["the", "best"]


def test_small_library_has_no_common_words(app, library, monkeypatch):
    monkeypatch.setattr(common_words, "SAMPLE", 10**6)
    assert common_words.find_common(app.services.db, LISTED) == []


@pytest.mark.parametrize(("query", "kept", "common"), [
    ("the best zebra", "zebra", ["best", "the"]),
    ("the", "", ["the"]),
    ('"the best" zebra', '"the best" zebra', []),
    ("zebra -the", "zebra -the", []),
    ("", "", []),
])  # fmt: skip
def test_common_words_are_left_out(app, library, query, kept, common):
    assert CommonWords(app.services.db).without(query) == (kept, common)


def test_rare_word_decides(anonymous, library):
    assert titles(anonymous, "the zebra") == ["the zebra film7"]


def test_common_words_alone_find_the_newest_that_contain_them(anonymous, library):
    assert titles(anonymous, "the best") == ["the best film2997", "the best film2994", "the best film2991"]


def test_pages_of_common_words_go_on(anonymous, library):
    items, pages = walk(anonymous, "/search?q=best&max_results=100")
    assert (len(items), pages) == (1000, 10)


def test_common_words_are_found_by_walking_an_index(app, library):
    match = {**LISTED, **common_words.containing(["the"])}
    sort = {"published_at": -1, "_id": -1}
    plan = explain(app.services.db["videos"], find="videos", filter=match, sort=sort, limit=26)
    assert "SORT" not in dict(plan) and "COLLSCAN" not in dict(plan), plan
