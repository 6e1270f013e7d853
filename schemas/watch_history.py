"""Watch history: where the caller stopped in each video. Written by heartbeats, seen by its owner alone."""

from schemas._fields import flag, moment, number, ref

resource = {
    "schema": {
        "user": ref("users", readonly=True),
        "video": ref("videos", readonly=True),
        "position": number(readonly=True),
        "completed": flag(readonly=True),
        "watched_at": moment(readonly=True),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET", "DELETE"],
    "mongo_indexes": {
        "one_each": ([("user", 1), ("video", 1)], {"unique": True}),
        "by_user": [("user", 1), ("watched_at", -1), ("_id", -1)],
        "by_user_completed": [("user", 1), ("completed", 1), ("watched_at", -1), ("_id", -1)],
        "by_video": [("video", 1), ("watched_at", -1)],
    },
    "policy": {
        "owner": "user",
        "readable": None,
        "roles": {"anonymous": [], "user": ["GET"], "owner": ["GET", "DELETE"]},
        "fields": {
            "video": {"write": ["server"], "pii": True},
            "position": {"write": ["server"], "pii": True},
            "watched_at": {"write": ["server"], "pii": True},
        },
        "queries": [
            {"filter": [], "sort": "-watched_at"},
            {"filter": ["completed"], "sort": "-watched_at"},
        ],
        "embeds": {"video": ["title", "thumbnail", "duration", "channel"]},
        "unique": [{"fields": ["user", "video"], "reason": "not_unique", "shown": "video"}],
        "on_parent_delete": {"video": "cascade", "user": "cascade"},
    },
}
