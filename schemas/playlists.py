"""Playlists: an ordered list of videos, kept by one user. Watch later is one that everybody has."""

from schemas._fields import PERSON, choice, counters, ref, text

resource = {
    "schema": {
        "owner": ref("users", readonly=True),
        "title": text(min=1, max=150, required=True),
        "description": text(max=5000),
        "visibility": choice("private", "public", "unlisted"),
        "kind": choice("list", "watch_later", readonly=True, meta={"start": "list"}),
        "counters": counters("items"),
    },
    "mongo_indexes": {
        "one_watch_later": (
            [("owner", 1), ("kind", 1)],
            {"unique": True, "partialFilterExpression": {"kind": "watch_later"}},
        ),
        "words": (
            [("visibility", 1), ("title", "text"), ("description", "text")],
            {"default_language": "none", "weights": {"title": 10, "description": 1}},
        ),
    },
    "policy": {
        "owner": "owner",
        "roles": {"moderator": ["GET", "DELETE"]},
        "readable": {"visibility": "public"},
        "readable_by_link": {"visibility": "unlisted"},
        "queries": [
            {"filter": [], "sort": "-_id"},
            {"filter": ["owner"], "sort": "-_id"},
            {"filter": ["owner"], "sort": "-_id", "view": "owned"},
        ],
        "embeds": {"owner": PERSON},
        "counts": {"owner": "counters.playlists"},
        "unique": [{"fields": ["owner", "kind"], "reason": "not_unique"}],
        "on_parent_delete": {"owner": "cascade"},
        "cache": 60,
    },
}
