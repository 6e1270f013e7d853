"""Search in scripts that put no spaces between words, and of words that an index folds otherwise than we do."""

from urllib.parse import quote

import pytest
from bson import ObjectId

from features.discovery.common_word_jobs import note_common_words
from machine.write.upgrade import upgrade_documents
from tests.audience import make_channel, make_video
from tests.field_reports import reported

TITLES = {
    "tower": "\u6771\u4eac\u30bf\u30ef\u30fc\u306e\u591c\u666f 2026",  # 東京タワーの夜景 2026
    "shower": "\u30b7\u30e3\u30ef\u30fc\u30ab\u30fc\u30c6\u30f3",  # シャワーカーテン
    "cat": "\u9ed2\u732b\u306e\u65e5\u5e38vlog 2026",  # 黒猫の日常vlog 2026
    "concert": "\u5468\u6770\u4f26\u6f14\u5531\u4f1a",  # 周杰伦演唱会
    "seoul": "\uc11c\uc6b8\uc740 \uc544\ub984\ub2f5\ub2e4",  # 서울은 아름답다
    "bangkok": "\u0e40\u0e17\u0e35\u0e48\u0e22\u0e27\u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e",  # เที่ยวกรุงเทพ
    "half": "\uff76\uff9e\uff97\uff7d\u7d30\u5de5",  # ｶﾞﾗｽ細工
    "street": "Die Stra\xdfe",
    "istanbul": "\u0130stanbul gezisi",
}


@pytest.fixture(scope="module")
def library(alice):
    channel = make_channel(alice)
    return {name: make_video(alice, channel, title=title) for name, title in TITLES.items()}


def found(client, q, library, **more):
    extra = "".join(f"&{name}={value}" for name, value in more.items())
    answer = client.get(f"/search?q={quote(q)}{extra}")
    assert answer.status_code == 200, answer.text
    names = {id_: name for name, id_ in library.items()}
    return [names.get(item["_id"], item["_id"]) for item in answer.json["_items"]]


@reported(
    "Search", "A word of Chinese, Japanese, Korean or Thai was not found within a title",
    sent="`GET /search?q=\u6771\u4eac`", back="`\u6771\u4eac\u30bf\u30ef\u30fc\u306e\u591c\u666f 2026`",
)  # fmt: skip
@pytest.mark.parametrize(("q", "names"), [
    ("\u6771\u4eac", ["tower"]), ("\u591c\u666f", ["tower"]), ("2026 \u6771\u4eac", ["tower", "cat"]),
    ("\u30bf\u30ef\u30fc", ["tower"]), ("\u6771\u4eac\u30bf\u30ef\u30fc", ["tower"]),
    ("\u4eac\u6771", []), ("\u6771\u4eac\u30bf\u30ef\u30fc\u306e\u671d", []),
    ("\u732b", ["cat"]), ("vlog", ["cat"]), ("\u65e5\u5e38vlog", ["cat"]), ("\u732b -vlog", []),
    ("\u6f14\u5531\u4f1a", ["concert"]), ("\u5468\u6770\u4f26", ["concert"]), ("-\u6f14\u5531 \u732b", ["cat"]),
    ("\uc11c\uc6b8", ["seoul"]), ("\uc544\ub984\ub2f5\ub2e4", ["seoul"]), ("\u1109\u1165\u110b\u116e\u11af", ["seoul"]),
    ("\u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e", ["bangkok"]), ("\u0e40\u0e17\u0e35\u0e48\u0e22\u0e27", ["bangkok"]),
    ("\u30ac\u30e9\u30b9", ["half"]), ("\uff76\uff9e\uff97\uff7d", ["half"]), ("\u7d30\u5de5", ["half"]),
    ('"\u6771\u4eac\u30bf\u30ef\u30fc"', ["tower"]), ('"\u6771\u4eac\u30bf\u30ef\u30fc" -2026', []),
    ('\u732b -"\u6771\u4eac\u30bf\u30ef\u30fc"', ["cat"]), ('"\u591c\u666f 2026"', ["tower"]),
    ("strasse", ["street"]), ("STRA\xdfE", ["street"]), ("istanbul", ["istanbul"]), ("\u0130STANBUL", ["istanbul"]),
    ("\uff36\uff4c\uff4f\uff47", ["cat"]),
])  # fmt: skip
def test_words_are_found_within_a_run(anonymous, library, q, names):
    assert sorted(found(anonymous, q, library)) == sorted(names)


def test_titles_weigh_more_than_tags_and_tags_more_than_text_in_every_script(alice, anonymous, library):
    channel = make_channel(alice)
    made = {
        "text": make_video(
            alice, channel, title="a", description="\u4eca\u65e5\u306e\u6e29\u6cc9\u65c5\u884c"
        ),
        "title": make_video(alice, channel, title="\u6e29\u6cc9\u65c5\u884c"),
        "tag": make_video(alice, channel, title="b", tags=["\u6e29\u6cc9\u65c5\u884c"]),
    }
    assert found(anonymous, "\u6e29\u6cc9", made) == ["title", "tag", "text"]
    assert found(anonymous, "\u6e29\u6cc9\u65c5", made) == ["title", "tag", "text"]


@pytest.mark.parametrize("kind", ["channel", "playlist"])
def test_channels_and_playlists_are_found_within_a_run_too(alice, anonymous, kind):
    name = "\u4e2d\u534e\u7f8e\u98df\u9891\u9053"
    made = {
        "channel": lambda: alice.post("/channels", {"handle": "gourmet", "name": name}),
        "playlist": lambda: alice.post("/playlists", {"title": name, "visibility": "public"}),
    }[kind]()
    assert found(anonymous, "\u7f8e\u98df", {"x": made.json["_id"]}, type=kind) == ["x"]


def test_what_a_change_takes_away_is_found_no_longer(app, alice, anonymous):
    film = make_video(alice, make_channel(alice), title="\u65e7\u77f3\u5668", tags=["\u6d1e\u7a9f"])
    one = {"x": film}
    alice.patch(f"/videos/{film}", {"description": "\u58c1\u753b\u7684\u6545\u4e8b"})
    assert [found(anonymous, q, one) for q in ("\u77f3\u5668", "\u6d1e\u7a9f", "\u58c1\u753b")] == [["x"]] * 3
    assert alice.patch(f"/videos/{film}", {"title": "Stone age"}).status_code == 200
    assert found(anonymous, "\u77f3\u5668", one) == []
    channel = alice.get(f"/videos/{film}").json["channel"]
    put = alice.put(
        f"/videos/{film}", {"title": "Stone", "channel": channel, "visibility": "public"}, etag="*"
    )
    assert put.status_code == 200 and not put.json.get("tags") and not put.json.get("description"), put.text
    assert [found(anonymous, q, one) for q in ("\u6d1e\u7a9f", "\u58c1\u753b")] == [[], []]
    assert anonymous.get(f"/search?tags={quote(chr(0x6D1E) + chr(0x7A9F))}").json["_items"] == []


def test_suggestions_complete_titles_in_every_script(anonymous, library):
    for typed, title in (("\u6771\u4eac", "tower"), ("\u30ac\u30e9", "half"), ("\uc11c\uc6b8", "seoul")):
        said = anonymous.get(f"/search/suggestions?q={quote(typed)}").json["suggestions"]
        assert TITLES[title] in [one["text"] for one in said]


@reported(
    "Search", "A word within a title of such a script was not suggested",
    sent="`GET /search/suggestions?q=\u591c\u666f`", back="`\u6771\u4eac\u30bf\u30ef\u30fc\u306e\u591c\u666f 2026`",
)  # fmt: skip
@pytest.mark.parametrize(("typed", "title"), [
    ("\u591c\u666f", "tower"), ("\u30bf\u30ef\u30fc", "tower"), ("\u732b", "cat"), ("\u6f14\u5531\u4f1a", "concert"),
    ("\u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e", "bangkok"),
])  # fmt: skip
def test_suggestions_look_within_a_run(anonymous, library, typed, title):
    said = anonymous.get(f"/search/suggestions?q={quote(typed)}").json["suggestions"]
    assert [one["text"] for one in said].count(TITLES[title]) == 1
    assert TITLES["shower"] not in [one["text"] for one in said]


def test_what_begins_with_it_is_suggested_first_and_once(alice, anonymous, library):
    channel = make_channel(alice)
    for title in ("\u6d77\u306e\u591c\u660e\u3051", "\u591c\u660e\u3051\u306e\u6d77"):
        make_video(alice, channel, title=title)
    said = anonymous.get(f"/search/suggestions?q={quote(chr(0x591C) + chr(0x660E))}").json["suggestions"]
    assert [one["text"] for one in said] == [
        "\u591c\u660e\u3051\u306e\u6d77",
        "\u6d77\u306e\u591c\u660e\u3051",
    ]


def test_what_an_older_version_stored_is_found_after_the_upgrade(app, alice):
    film = make_video(
        alice, make_channel(alice), title="\u6c99\u6f20\u4e4b\u821f", description="\u9a86\u9a7c"
    )
    words = {"title_words": 1, "description_words": 1, "tags_words": 1}
    app.services.db.videos.update_one({"_id": ObjectId(film)}, {"$unset": words})
    assert found(alice, "\u4e4b\u821f", {"x": film}) == []
    assert upgrade_documents(app.store) == 2
    assert [found(alice, q, {"x": film}) for q in ("\u4e4b\u821f", "\u9a86\u9a7c")] == [["x"], ["x"]]
    assert upgrade_documents(app.store) == 0


def test_words_that_are_everywhere_are_walked_to_in_every_script(app, alice, anonymous, monkeypatch):
    from features.discovery import common_words

    channel = make_channel(alice)
    films = {f"{n}": make_video(alice, channel, title=f"\u52a8\u7269\u4e16\u754c {n}") for n in range(12)}
    monkeypatch.setattr(common_words, "SAMPLE", app.services.db.videos.estimated_document_count())
    assert note_common_words(app.store) > 0
    app.services.common_words.read_at = float("-inf")
    answer = anonymous.get(f"/search?q={quote(chr(0x52A8) + chr(0x7269))}").json
    assert {item["_id"] for item in answer["_items"]} == set(films.values())
    assert {item["reason"] for item in answer["_items"]} == {"newest"}
