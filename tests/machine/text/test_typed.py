"""What is typed into an API arrives in one form on every way in: POST, PUT, PATCH, lists inside, bodies of actions."""

import pytest
from bson import ObjectId

from tests.audience import make_channel, make_video
from tests.field_reports import reported

BAD = {
    "spaces": "   ", "zero width": "\u200b\u200d", "a filler": "\u3164", "NUL": "a\0b", "two lines": "a\nb",
    "an override": "gpj.\u202eexe", "marks": "\u0301",
}  # fmt: skip


@pytest.fixture(scope="module")
def film(alice):
    return make_video(alice, make_channel(alice))


@reported(
    "Texts", "A title of spaces, of characters that show nothing, with NUL or a line break in it was taken",
    sent='`{"title": "\\u3164"}`, as a tag, a chapter, a label, a display name, the name of a key too',
    back="422 `must show something: more than spaces, marks and invisible characters`, or what else the form asks for",
)  # fmt: skip
@pytest.mark.parametrize("sent", BAD.values(), ids=BAD)
@pytest.mark.parametrize("where", ["title", "tags", "chapters", "display name", "playlist", "label", "key"])
def test_what_is_no_line_of_text_is_refused_with_its_form(alice, film, where, sent):
    answer = {
        "title": lambda: alice.patch(f"/videos/{film}", {"title": sent}),
        "tags": lambda: alice.patch(f"/videos/{film}", {"tags": ["fine", sent]}),
        "chapters": lambda: alice.patch(f"/videos/{film}", {"chapters": [{"start": 0, "title": sent}]}),
        "display name": lambda: alice.patch("/me", {"display_name": f"\u200d{sent}\u200d"}),
        "playlist": lambda: alice.post("/playlists", {"title": sent}),
        "label": lambda: alice.post(
            f"/videos/{film}/captions",
            {"language": "en", "label": f"\u200d{sent}", "text": "WEBVTT\n\n00:00.000 --> 00:01.000\nHi\n"},
        ),
        "key": lambda: alice.post("/api_keys", {"name": sent, "scopes": ["videos:read"]}),
    }[where]()
    assert answer.status_code == 422, answer.text
    assert "line" in str(answer.json["issues"]) or "show" in str(answer.json["issues"]), answer.json["issues"]


@reported(
    "Texts", "A title typed on a Mac was stored decomposed, and with the spaces around it",
    sent='`{"title": " Cafe\\u0301 "}`', back='`{"title": "Caf\\u00e9"}`',
)  # fmt: skip
def test_texts_are_stored_composed_and_trimmed_on_every_way_in(alice, film):
    told = alice.patch(
        f"/videos/{film}",
        {
            "title": " Cafe\u0301 ",
            "tags": [" Cafe\u0301"],
            "chapters": [{"start": 0, "title": "Cafe\u0301 "}],
            "description": "Cafe\u0301\r\nde nuit ",
        },
    ).json
    assert (told["title"], told["tags"]) == ("Caf\xe9", ["Caf\xe9"])
    assert told["chapters"][0]["title"] == "Caf\xe9" and told["description"] == "Caf\xe9\nde nuit "
    comment = alice.post(f"/videos/{film}/comments", {"text": "Cafe\u0301\r\n!"}).json
    assert comment["text"] == "Caf\xe9\n!"
    made = alice.post("/api_keys", {"name": " Cafe\u0301 ", "scopes": ["videos:read"]}).json
    assert made["name"] == "Caf\xe9"
    playlist = alice.post("/playlists", {"title": "x"}).json["_id"]
    assert alice.put(f"/playlists/{playlist}", {"title": " Cafe\u0301"}, etag="*").json["title"] == "Caf\xe9"


def test_what_an_older_version_took_may_be_sent_back(app, alice, film):
    chapters = [{"start": 0.0, "title": "a\nb"}]
    app.services.db.videos.update_one(
        {"_id": ObjectId(film)}, {"$set": {"title": "a\nb", "chapters": chapters}}
    )
    kept = alice.patch(f"/videos/{film}", {"title": "a\nb", "chapters": chapters, "description": "new"})
    assert kept.status_code == 200, kept.text
    assert alice.patch(f"/videos/{film}", {"title": "a\nc"}).status_code == 422
