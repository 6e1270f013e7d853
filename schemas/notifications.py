"""Notifications: what a user may want to know. Unread ones of a kind about one thing are one, with a count."""

from schemas._fields import (
    CHANNEL,
    PERSON,
    action,
    choice,
    each,
    expiry,
    flag,
    keys,
    moment,
    ref,
    text,
    unique,
    whole,
)

resource = {
    "schema": {
        "user": ref("users", readonly=True),
        "kind": choice("new_video", "reply", "mention", "comment", "processing", readonly=True),
        "group": text(max=100, readonly=True),
        "count": whole(readonly=True),
        "actor": ref("users", readonly=True, nullable=True),
        "channel": ref("channels", readonly=True, nullable=True),
        "video": ref("videos", readonly=True, nullable=True),
        "comment": ref("comments", readonly=True, nullable=True),
        "detail": text(max=200, readonly=True, nullable=True),
        "unread": flag(readonly=True),
        "read_at": moment(readonly=True),
        "happened_at": moment(readonly=True),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET", "DELETE"],
    "mongo_indexes": {
        "one_unread": unique("user", "group", where={"unread": True}),
        "by_comment": (keys("comment"), {"sparse": True}),
        "by_video": (keys("video"), {"sparse": True}),
        "expire": expiry("happened_at", 90 * 86400),
    },
    "policy": {
        "owner": "user",
        "fields": each("group", read=["server"]),
        "queries": [
            {"filter": [], "sort": "-happened_at"},
            {"filter": ["unread"], "sort": "-happened_at"},
        ],
        "embeds": {
            "actor": PERSON,
            "channel": CHANNEL,
            "video": ["title", "thumbnail", "duration"],
            "comment": ["text", "author"],
        },
        "unique": [{"fields": ["user", "group"], "reason": "not_unique", "shown": "user"}],
        "on_parent_delete": {
            **dict.fromkeys(("user", "video", "comment"), "cascade"),
            **dict.fromkeys(("channel", "actor"), "keep"),
        },
        "actions": {"read": action("POST", "Mark it as read", "owner")},
    },
}
