"""Blocks: whom a channel, or the whole site, does not want to hear from."""

from schemas._fields import CHANNEL, PERSON, choice, ref, text

resource = {
    "schema": {
        "owner": ref("users", readonly=True),
        "scope": choice("channel", "site"),
        "channel": ref("channels"),
        "user": ref("users", required=True),
        "note": text(max=500),
    },
    "item_methods": ["GET", "DELETE"],
    "mongo_indexes": {
        "by_user": ([("user", 1), ("scope", 1), ("channel", 1)], {"unique": True}),
        "by_channel": [("channel", 1), ("_id", -1)],
    },
    "policy": {
        "owner": "channel.owner",
        "roles": {
            "moderator": ["GET", "DELETE"],
        },
        "fields": {
            "scope": {"write": ["create"]},
            "channel": {"write": ["create"]},
            "user": {"write": ["create"]},
            "note": {"read": ["owner", "moderator"]},
        },
        "queries": [
            {"filter": [], "sort": "-_id"},
            {"filter": ["scope"], "sort": "-_id", "view": "all"},
        ],
        "embeds": {"user": PERSON, "channel": CHANNEL},
        "unique": [{"fields": ["scope", "channel", "user"], "reason": "not_unique"}],
        "on_parent_delete": {"channel": "cascade", "user": "cascade", "owner": "cascade"},
    },
}
