"""Blocks: whom a channel, or the whole site, does not want to hear from."""

from schemas._fields import CHANNEL, PERSON, choice, each, keys, prose, ref, unique

resource = {
    "schema": {
        "owner": ref("users", readonly=True),
        "scope": choice("channel", "site"),
        "channel": ref("channels"),
        "user": ref("users", required=True),
        "note": prose(max=500),
    },
    "item_methods": ["GET", "DELETE"],
    "mongo_indexes": {
        "by_user": unique("user", "scope", "channel"),
        "by_channel": keys("channel", "-_id"),
    },
    "policy": {
        "owner": "channel.owner",
        "roles": {"moderator": ["GET", "DELETE"]},
        "fields": {
            **each("scope", "channel", "user", write=["create"]),
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
