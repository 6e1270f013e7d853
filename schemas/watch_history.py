"""Watch history: where the caller stopped in each video. Written by heartbeats, seen by its owner alone."""

from schemas._fields import flag, keys, moment, number, ref

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
    "mongo_indexes": {"by_video": keys("video", "-watched_at")},
    "policy": {
        "owner": "user",
        "fields": {name: {"pii": True} for name in ("video", "position", "watched_at")},
        "queries": [
            {"filter": [], "sort": "-watched_at"},
            {"filter": ["completed"], "sort": "-watched_at"},
        ],
        "embeds": {"video": ["title", "thumbnail", "duration", "channel"]},
        "unique": [{"fields": ["user", "video"], "reason": "not_unique"}],
        "on_parent_delete": {"video": "cascade", "user": "cascade"},
    },
}
