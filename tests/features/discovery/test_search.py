"""Search: what is found, in which order, by whom, and at what cost."""

import pytest

from features.discovery.search import RELEVANCE, AtlasSearch, TextIndex, Wanted
from tests.audience import explain, make_channel, make_video, reads_of, walk


@pytest.fixture(scope="module")
def library(app, alice):
    """Videos with something to find in them, by name."""
    channel = make_channel(alice)
    facts = {
        "title": {"title": "Sourdough bread"},
        "tag": {"title": "Morning", "tags": ["sourdough", "kitchen"]},
        "text": {"title": "Diary", "description": "Today I tried sourdough.", "language": "en-US"},
        "long": {"title": "Bread for hours", "duration": 5000.0, "category": "food", "tags": ["kitchen"]},
        "unlisted": {"title": "Sourdough unlisted", "visibility": "unlisted"},
        "private": {"title": "Sourdough private", "visibility": "private"},
    }
    return {name: make_video(alice, channel, **one) for name, one in facts.items()}


def found(client, query, library, limit=2):
    items, _ = walk(client, f"/search?{query}&max_results={limit}")
    names = {id_: name for name, id_ in library.items()}
    return [names.get(item["_id"], item["_id"]) for item in items]


def test_title_weighs_more_than_tags_and_tags_more_than_text(anonymous, library):
    assert found(anonymous, "q=sourdough", library) == ["title", "tag", "text"]


@pytest.mark.parametrize("query", ["q=SOURDOUGH", "q=Sourd%C3%B6ugh", "q=sourdough&sort=relevance"])
def test_case_and_accents_do_not_matter(anonymous, library, query):
    assert found(anonymous, query, library) == ["title", "tag", "text"]


def test_phrase_and_left_out_words(anonymous, library):
    assert found(anonymous, "q=%22sourdough bread%22", library) == ["title"]
    assert found(anonymous, "q=sourdough -diary", library) == ["title", "tag"]


def test_owner_too_finds_only_what_everyone_may_find(alice, library):
    assert not {"private", "unlisted"} & set(found(alice, "q=sourdough", library))


@pytest.mark.parametrize(("query", "names"), [
    ("tags=kitchen", ["long", "tag"]),
    ("tags=kitchen,sourdough", ["long", "tag"]),
    ("tags=kitchen,sourdough&match=all", ["tag"]),
    ("category=food", ["long"]),
    ("language=en-US", ["text"]),
    ("q=bread&min_duration=1000", ["long"]),
    ("q=bread&max_duration=1000", ["title"]),
    ("q=bread&before=2020-01-01", []),
    ("category=food&after=2020-01-01T00:00:00Z", ["long"]),
    ("captions=true", []),
    ("q=nothingatall", []),
])  # fmt: skip
def test_filters_narrow_what_is_found(anonymous, library, query, names):
    assert found(anonymous, query, library) == names


def test_newest_and_most_viewed_come_first_where_asked(app, anonymous, library):
    app.services.db["videos"].update_one({"title": "Diary"}, {"$set": {"counters.views": 9}})
    assert found(anonymous, "q=sourdough&sort=newest", library) == ["text", "tag", "title"]
    assert found(anonymous, "q=sourdough&sort=views", library)[0] == "text"


def test_videos_with_captions_can_be_asked_for(alice, anonymous, library):
    body = {"language": "en", "text": "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n"}
    assert alice.post(f"/videos/{library['long']}/captions", body).status_code == 201
    assert found(anonymous, "captions=true&q=bread", library) == ["long"]


def test_channels_and_playlists_are_found_too(alice, anonymous):
    alice.post("/channels", {"handle": "gardeners", "name": "Green fingers"})
    public = alice.post("/playlists", {"title": "Green things", "visibility": "public"}).json["_id"]
    alice.post("/playlists", {"title": "Green secrets"})
    channels, _ = walk(anonymous, "/search?q=green&type=channel")
    playlists, _ = walk(anonymous, "/search?q=green&type=playlist")
    assert [one["handle"] for one in channels] == ["gardeners"]
    assert [one["_id"] for one in playlists] == [public]


@pytest.mark.parametrize("query", [
    "q=" + "x" * 201, "type=user", "sort=random", "match=none", "min_duration=-1", "min_duration=nan",
    "max_duration=x", "after=yesterday", "cursor=abc", "type=channel&tags=x", "q=a&q=b", "tags=" + ",".join("x" * 21),
    "where={}", "max_results=1000",
])  # fmt: skip
def test_junk_is_refused_with_a_reason(anonymous, query):
    answer = anonymous.get(f"/search?{query}")
    assert answer.status_code == 400 and answer.json["reason"] in ("bad_query", "bad_cursor")


@pytest.mark.parametrize("words", ["%22", "-", "--", "%00", "%22%22%22 -", "$where", "%F0%9F%8D%9E", "a%0Ab"])
def test_odd_words_find_nothing_and_break_nothing(anonymous, words):
    assert anonymous.get(f"/search?q={words}").status_code == 200


def test_each_result_says_why_it_is_there(anonymous, library):
    items, _ = walk(anonymous, "/search?q=sourdough")
    assert {item["reason"] for item in items} == {"match"}


def test_score_is_not_shown(anonymous, library):
    assert "score" not in anonymous.get("/search?q=sourdough").json["_items"][0]


def test_page_takes_one_query_and_one_per_embed(app, anonymous, library):
    assert len(reads_of(app, anonymous, "/search?q=sourdough")) == 1
    assert len(reads_of(app, anonymous, "/search?q=sourdough&embedded=channel")) == 2


def test_words_are_looked_up_in_the_text_index(app, library):
    listed = {"visibility": "public", "status": "READY", "deleted_at": None}
    wanted = Wanted(
        "videos",
        "sourdough",
        listed,
        RELEVANCE,
        None,
        25,
        {"title": 1},
        {"title": 10, "tags": 5, "description": 1},
    )
    plan = explain(
        app.services.db["videos"], aggregate="videos", pipeline=TextIndex().stages(wanted), cursor={}
    )
    assert ("IXSCAN", "words") in plan and "COLLSCAN" not in dict(plan)


def test_suggestions_complete_titles_and_handles(anonymous, alice, library):
    alice.post("/channels", {"handle": "sourcream", "name": "x"})
    texts = [one["text"] for one in anonymous.get("/search/suggestions?q=sour").json["suggestions"]]
    assert texts == ["Sourdough bread", "@sourcream"]


@pytest.mark.parametrize("query", ["", "q=", "q=" + "x" * 61])
def test_suggestions_need_something_to_go_by(anonymous, query):
    assert anonymous.get(f"/search/suggestions?{query}").status_code == 400


def test_atlas_search_asks_for_the_same_fields_with_the_same_weights():
    wanted = Wanted(
        "videos",
        "bread",
        {"status": "READY"},
        RELEVANCE,
        None,
        25,
        {"title": 1},
        {"title": 10, "tags": 5, "description": 1},
    )
    first, second, *_ = AtlasSearch().stages(wanted)
    boosts = {one["text"]["path"]: one["text"]["score"]["boost"]["value"]
              for one in first["$search"]["compound"]["should"]}  # fmt: skip
    assert boosts == {"title": 10, "tags": 5, "description": 1}
    assert second == {"$match": {"status": "READY"}}
