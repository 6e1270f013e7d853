"""Webhooks: addresses of a user's own programs, called with what happens to his things. The secret is shown once."""

from schemas._fields import action, code, flag, keys, line, listing, ref, text, whole

resource = {
    "schema": {
        "owner": ref("users", readonly=True),
        "url": code(
            min=8,
            max=1000,
            pattern=r"https?://[^\s<>\"\\]+",
            form="a URL that begins with https:// or http://",
            required=True,
        ),  # fmt: skip
        "events": listing(code(min=1, max=60), max=50),
        "description": line(max=200),
        "active": flag(default=True),
        "failures": whole(readonly=True, meta={"start": 0}),
        "trouble": text(max=200, readonly=True, nullable=True),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET", "PATCH", "DELETE"],
    "mongo_indexes": {"by_owner_active": keys("owner", "active")},
    "policy": {
        "owner": "owner",
        "queries": [{"filter": [], "sort": "-_id"}],
        "beside": {"webhook_secrets": "_id"},
        "on_parent_delete": {"owner": "cascade"},
        "actions": {
            "ping": action("POST", "Send a test event", "owner"),
            "rotate": action("POST", "Get a new secret", "owner"),
        },
    },
}
