"""Playlists: an ordered list of videos, kept by one user. Watch later is one that everybody has."""

from schemas._fields import PERSON, choice, counters, line, prose, ref, unique

resource = {
    "schema": {
        "owner": ref("users", readonly=True),
        "title": line(min=1, max=150, required=True),
        "description": prose(max=5000),
        "visibility": choice("private", "public", "unlisted"),
        "kind": choice("list", "watch_later", readonly=True, meta={"start": "list"}),
        "counters": counters("items"),
    },
    "mongo_indexes": {
        "one_watch_later": unique("owner", "kind", where={"kind": "watch_later"}),
    },
    "policy": {
        "owner": "owner",
        "roles": {"moderator": ["GET", "DELETE"]},
        "readable": {"visibility": "public"},
        "readable_by_link": {"visibility": "unlisted"},
        "searched": {"title": 10, "description": 1},
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
