"""Captions: one WebVTT file per video and language."""

from schemas._fields import language, line, listing, prose, ref, text

resource = {
    "schema": {
        "video": ref("videos", required=True),
        "owner": ref("users", readonly=True),
        "language": language(required=True),
        "label": line(max=60),
        "text": prose(min=1, max=500_000, required=True),
        "warnings": listing(text(max=200), max=5, readonly=True),
    },
    "item_methods": ["GET", "PATCH", "DELETE"],
    "policy": {
        "owner": "video.owner",
        "readable": {},
        "roles": {"moderator": ["GET", "DELETE"]},
        "readable_with": "video",
        # Who may watch such a film finds the URLs of its captions in its playback.
        "readable_while": {"protected": {"$ne": True}, "age_restricted": {"$ne": True}},
        "fields": {"video": {"write": ["create"]}, "language": {"write": ["create"]}},
        "queries": [
            {"filter": ["video"], "sort": "_id"},
            {"filter": ["owner"], "sort": "-_id", "view": "owned"},
        ],
        "counts": {"video": "counters.captions"},
        "unique": [{"fields": ["video", "language"], "reason": "not_unique", "index": "once_per_language"}],
        "on_parent_delete": {"video": "cascade", "owner": "cascade"},
        "mounts": {"video": "videos/{video}/captions"},
        "cache": 60,
        "rate": "write",
    },
}
