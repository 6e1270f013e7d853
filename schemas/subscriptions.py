"""Subscriptions: who follows which channel, and how loudly. Others see only those made public."""

from schemas._fields import choice, ref

resource = {
    "schema": {
        "user": ref("users", readonly=True),
        "channel": ref("channels", readonly=True),
        "level": choice("all", "none"),
        "visibility": choice("private", "public"),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET", "PATCH", "DELETE"],
    "mongo_indexes": {
        "one_each": ([("user", 1), ("channel", 1)], {"unique": True}),
        "by_user": [("user", 1), ("_id", -1)],
        "public_by_channel": [("channel", 1), ("visibility", 1), ("_id", -1)],
        "public_by_user": [("user", 1), ("visibility", 1), ("_id", -1)],
        "by_level": [("channel", 1), ("level", 1), ("_id", 1)],
    },
    "policy": {
        "owner": "user",
        "readable": {"visibility": "public"},
        "roles": {"user": [], "owner": ["GET", "PATCH", "DELETE"]},
        "fields": {"level": {"read": ["owner"]}},
        "queries": [
            {"filter": [], "sort": "-_id", "view": "owned"},
            {"filter": ["channel"], "sort": "-_id"},
            {"filter": ["user"], "sort": "-_id"},
            {"filter": ["user"], "sort": "-_id", "view": "owned"},
        ],
        "embeds": {
            "channel": ["handle", "name", "avatar"],
            "user": ["username", "display_name", "avatar"],
        },
        "counts": {"channel": "counters.subscribers"},
        "mounts": {"channel": "channels/{channel}/subscribers"},
        "unique": [{"fields": ["user", "channel"], "reason": "not_unique", "shown": "channel"}],
        "on_parent_delete": {"channel": "cascade", "user": "cascade"},
        "events": ["created"],
    },
}
