"""Users: accounts. Created through /auth/register; their secrets live in a collection of their own."""

from schemas._fields import (
    HTTPS_FORM,
    NAME_FORM,
    address,
    choice,
    code,
    counters,
    flag,
    handle,
    keys,
    mapping,
    name,
    one_of,
    text,
    unique,
)

NOTICES = ("new_video", "reply", "mention", "comment", "processing")

resource = {
    "schema": {
        "username": handle(
            min=3, max=30, pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*", form=NAME_FORM, readonly=True
        ),
        "username_key": text(max=30, readonly=True),
        "email": address(max=254, readonly=True),
        "email_key": text(max=254, readonly=True),
        "email_verified": flag(readonly=True),
        "display_name": name(max=60),
        "avatar": code(max=500, pattern=r"https://[^\s<>\"]+", form=HTTPS_FORM),
        "role": choice("user", "moderator", "admin", default="user"),
        "status": choice("active", "suspended", default="active"),
        "settings": mapping(
            {
                "history_paused": flag(),
                "digest": one_of("off", "daily", "weekly"),
                "notifications": mapping({name: flag() for name in NOTICES}),
            }
        ),
        "counters": counters("channels", "playlists"),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET", "PATCH"],
    "additional_lookup": {"url": 'regex("@[A-Za-z0-9_.-]{3,30}")', "field": "username"},
    "mongo_indexes": {
        "by_digest": (keys("settings.digest", "_id"), {"sparse": True}),
        "one_email": unique("email_key", sparse=True),
    },
    "policy": {
        "owner": "_id",
        "roles": {"moderator": ["GET"], "admin": ["PATCH"]},
        "readable": {"status": "active"},
        "fields": {
            "username_key": {"read": ["server"], "pii": True},
            "email_key": {"read": ["server"], "pii": True},
            "username": {"pii": True},
            "email": {"read": ["owner", "admin"], "pii": True},
            "email_verified": {"read": ["owner", "admin"]},
            "display_name": {"pii": True},
            "avatar": {"pii": True},
            "role": {"read": ["owner", "moderator"], "write": ["admin"]},
            "status": {"read": ["owner", "moderator"], "write": ["admin"]},
            "settings": {"read": ["owner"]},
        },
        "folded": {"username_key": "username", "email_key": "email"},
        "queries": [{"filter": [], "sort": "-_id", "index": "by_status"}],
        "unique": [
            {
                "fields": ["username_key"],
                "reason": "username_taken",
                "shown": "username",
                "index": "one_username",
            },
            {"fields": ["email_key"], "reason": "email_taken", "shown": "email"},
        ],
        "beside": {
            "credentials": "_id",
            "digests": "_id",
            "identities": "user",
            "idempotency_keys": "user",
            "notice_parts": "user",
            "one_time_tokens": "user",
        },
        "cache": 60,
    },
}
