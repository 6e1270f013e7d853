"""Words are compared by one function: tags, filters, suggestions and names do not depend on who typed them where."""

import json
from urllib.parse import quote

import pytest
from bson import ObjectId

from machine.write.upgrade import upgrade_documents
from tests.audience import make_channel, make_video
from tests.field_reports import reported


@pytest.fixture(scope="module")
def channel(alice):
    return make_channel(alice)


def ids(answer):
    assert answer.status_code == 200, answer.text
    return {item["_id"] for item in answer.json["_items"]}


def suggested(client, typed):
    answer = client.get(f"/search/suggestions?q={quote(typed)}")
    assert answer.status_code == 200, answer.text
    return [one["text"] for one in answer.json["suggestions"]]


@reported(
    "Texts", "One tag was four, by its case, a space and a #",
    sent='`tags: ["Music", "music", "MUSIC ", "#music"]`', back='`["Music"]`',
)  # fmt: skip
def test_a_tag_is_one_however_it_is_written(alice, channel):
    film = make_video(alice, channel)
    answer = alice.patch(
        f"/videos/{film}", {"tags": ["Music", "music", "MUSIC ", "#music", "ＭＵＳＩＣ", "jazz"]}
    )
    assert answer.json["tags"] == ["Music", "jazz"]


@reported(
    "Texts", "A filter by tag found only those who wrote it the same way",
    sent="`GET /search?tags=music`, a film tagged `Music`", back="the film",
)  # fmt: skip
@pytest.mark.parametrize("asked", ["folk", "Folk", "FOLK", " folk ", "#folk", "ｆｏｌｋ"])
def test_a_tag_is_found_however_it_is_asked_for(alice, anonymous, channel, asked):
    film = make_video(alice, channel, tags=["Folk"])
    assert film in ids(anonymous.get(f"/search?tags={quote(asked)}"))
    where = quote(json.dumps({"tags": asked}))
    assert film in ids(anonymous.get(f"/videos?where={where}"))


@pytest.mark.parametrize(
    "asked", ["istanbul", "ISTANBUL", "\u0130stanbul", "\u0131stanbul", "I\u0307stanbul"]
)
def test_turkish_letters_are_an_i_wherever_words_are_compared(alice, anonymous, channel, asked):
    film = make_video(alice, channel, title="\u0130stanbul gezisi", tags=["\u0130stanbul"])
    assert film in ids(anonymous.get(f"/search?tags={quote(asked)}"))
    assert "\u0130stanbul gezisi" in suggested(anonymous, asked)


@reported(
    "Texts", "A title from a Mac (decomposed) was not suggested to who typed it composed",
    sent="`GET /search/suggestions?q=caf\xe9`", back="the title, whichever way either was typed",
)  # fmt: skip
@pytest.mark.parametrize("typed", ["caf\xe9", "cafe\u0301", "CAF\xc9", "\uff43\uff41\uff46\xe9"])
def test_suggestions_do_not_depend_on_the_keyboard(alice, anonymous, channel, typed):
    for title in ("Cafe\u0301 de nuit", "Caf\xe9 de jour"):
        make_video(alice, channel, title=title)
    assert {"Caf\xe9 de nuit", "Caf\xe9 de jour"} <= set(suggested(anonymous, typed))


def test_films_on_the_same_tag_are_related_however_it_is_written(alice, channel):
    one = make_video(alice, channel, tags=["Cooking"])
    other = make_video(alice, make_channel(alice), tags=["#cooking"])
    items = alice.get(f"/videos/{one}/related").json["_items"]
    assert {item["_id"]: item["reason"] for item in items}.get(other) == "same_tags"


def test_what_an_older_version_stored_is_compared_as_new_words_are(app, alice, anonymous, channel):
    film = ObjectId(make_video(alice, channel, title="x"))
    old = {"title": "Na\u0308chte", "title_key": "na\u0308chte", "tags": ["Alt", "alt"]}
    videos = app.services.db.videos
    videos.update_one({"_id": film}, {"$set": old, "$unset": {"tag_keys": 1}})
    assert upgrade_documents(app.store) == 2
    assert suggested(anonymous, "n\xe4chte") == ["Na\u0308chte"]
    assert str(film) in ids(anonymous.get("/search?tags=ALT"))
    kept = videos.find_one({"_id": film})
    assert (kept["title"], kept["tags"], kept["tag_keys"]) == (old["title"], old["tags"], ["alt"])
    assert upgrade_documents(app.store) == 0
