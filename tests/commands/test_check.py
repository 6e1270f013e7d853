"""`db check` counts, per field, what is stored and would not be taken today, and changes nothing."""

import json

from bson import ObjectId

from tests.audience import make_channel, make_comment, make_video
from tests.commands.test_data import everything, run  # noqa: F401  a fixture
from tests.factory import DEFINITIONS


def findings(said):
    lines = [json.loads(line) for line in said.splitlines()]
    return {(one["resource"], one["field"]): (one["issue"], one["count"], one["examples"]) for one in lines}


def test_what_this_version_writes_is_what_it_would_take(run, app, alice, factory):  # noqa: F811
    """Of every resource, a document with every field filled, and what people made through the API."""
    film = make_video(alice, make_channel(alice))
    make_comment(alice, film)
    for name in DEFINITIONS:
        factory.insert(name, alice.user["_id"])
    assert "0 kinds of trouble" in run("db", "check")


def test_what_an_older_version_took_is_counted_by_field_and_left_as_it_is(run, app, alice):  # noqa: F811
    channel = make_channel(alice)
    films = [ObjectId(make_video(alice, channel)) for _ in range(7)]
    old = {
        "title": "Cafe\u0301",
        "tags": ["fine", "a\nb"],
        "chapters": [{"start": 0.0, "title": "\u3164"}],
        "status": "LOST",
        "duration": "long",
    }
    app.services.db.videos.update_many({"_id": {"$in": films}}, {"$set": old})
    app.services.db.channels.update_one({"_id": ObjectId(channel)}, {"$unset": {"name": 1}})
    before = everything(app)
    found = findings(run("db", "check", "--json", status=1))
    assert everything(app) == before
    examples = [str(one) for one in films[:5]]
    assert found["videos", "title"] == ("is not in the normal form of its kind of text", 7, examples)
    assert found["videos", "tags"] == ("must be one line, without line breaks", 7, examples)
    assert found["videos", "chapters.title"][:2] == (
        "must show something: more than spaces, marks and invisible characters", 7,
    )  # fmt: skip
    assert found["videos", "status"] == ("unallowed value LOST", 7, examples)
    assert found["videos", "duration"][0] == "must be of number type"
    assert found["channels", "name"] == ("required field", 1, [channel])
    assert len(found) == 6
