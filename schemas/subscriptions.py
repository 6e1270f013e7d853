"""Subscriptions: who follows which channel, and how loudly. Others see only those made public."""

from schemas._fields import CHANNEL, PERSON, choice, keys, ref

resource = {
    "schema": {
        "user": ref("users", readonly=True),
        "channel": ref("channels", readonly=True),
        "level": choice("all", "none"),
        "visibility": choice("private", "public"),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET", "PATCH", "DELETE"],
    "mongo_indexes": {"by_level": keys("channel", "level", "_id")},
    "policy": {
        "owner": "user",
        "readable": {"visibility": "public"},
        "fields": {"level": {"read": ["owner"]}},
        "queries": [
            {"filter": [], "sort": "-_id", "view": "owned"},
            {"filter": ["channel"], "sort": "-_id"},
            {"filter": ["user"], "sort": "-_id"},
            {"filter": ["user"], "sort": "-_id", "view": "owned"},
        ],
        "embeds": {"channel": CHANNEL, "user": PERSON},
        "counts": {"channel": "counters.subscribers"},
        "mounts": {"channel": "channels/{channel}/subscribers"},
        "unique": [{"fields": ["user", "channel"], "reason": "not_unique"}],
        "on_parent_delete": {"channel": "cascade", "user": "cascade"},
        "events": ["created", "deleted"],
    },
}
