"""Channels: where a user publishes. A user may have several; each has a unique @handle."""

from schemas._fields import (
    HTTPS_FORM,
    NAME_FORM,
    PERSON,
    action,
    code,
    counters,
    handle,
    language,
    line,
    listing,
    mapping,
    name,
    one_of,
    prose,
    ref,
    text,
)

resource = {
    "schema": {
        "owner": ref("users", readonly=True),
        "handle": handle(min=3, max=30, pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*", form=NAME_FORM, required=True),
        "handle_key": text(max=30, readonly=True),
        "name": name(min=1, max=100, required=True),
        "description": prose(max=5000),
        "avatar": code(max=500, pattern=r"https://[^\s<>\"]+", form=HTTPS_FORM),
        "banner": code(max=500, pattern=r"https://[^\s<>\"]+", form=HTTPS_FORM),
        "links": listing(
            mapping(
                {
                    "title": line(max=60, required=True),
                    "url": code(max=500, pattern=r"https://[^\s<>\"]+", form=HTTPS_FORM, required=True),
                }
            ),
            max=10,
        ),
        "defaults": mapping(
            {
                "visibility": one_of("private", "public", "unlisted"),
                "comment_policy": one_of("open", "approval", "off"),
                "category": line(max=40),
                "language": language(),
            }
        ),
        "counters": counters("videos", "subscribers", kept_by_job=("views",)),
    },
    "additional_lookup": {"url": 'regex("@[A-Za-z0-9_.-]{3,30}")', "field": "handle"},
    "policy": {
        "owner": "owner",
        "readable": {},
        "roles": {"moderator": ["GET", "PATCH", "DELETE"]},
        "fields": {
            "handle_key": {"read": ["server"]},
            "defaults": {"read": ["owner"]},
        },
        "folded": {"handle_key": "handle"},
        "searched": {"name": 10, "handle": 10, "description": 1},
        "queries": [
            {"filter": [], "sort": "-_id"},
            {"filter": ["owner"], "sort": "-_id"},
        ],
        "embeds": {"owner": PERSON},
        "counts": {"owner": "counters.channels"},
        "on_parent_delete": {"owner": "cascade"},
        "unique": [
            {"fields": ["handle_key"], "reason": "handle_taken", "shown": "handle", "index": "one_handle"}
        ],
        "actions": {
            "subscription": action("PUT", "Subscribe to it", "user"),
            "unsubscribe": action("DELETE", "Subscribe no longer", "user", path="subscription"),
            "stats": action("GET", "How it is doing", "owner", "moderator"),
            "feed.atom": action("GET", "Its newest videos, for feed readers", "anyone"),
        },
        "cache": 60,
        "events": ["created", "updated", "deleted"],
    },
}
