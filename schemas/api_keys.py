"""API keys: how a user's programs sign in. The key itself is shown once, by the POST that makes it."""

from schemas._fields import expiry, line, listing, moment, ref, text

resource = {
    "schema": {
        "user": ref("users", readonly=True),
        "name": line(min=1, max=60, required=True),
        "scopes": listing(text(max=60), max=100, readonly=True),
        "expires_at": moment(readonly=True),
        "last_used_at": moment(readonly=True),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET", "DELETE"],
    "mongo_indexes": {"expire": expiry("expires_at")},
    "policy": {
        "owner": "user",
        "people_only": True,
        "fields": {
            "user": {"read": ["owner"]},
            "name": {"read": ["owner"], "write": ["owner"]},
            "scopes": {"read": ["owner"]},
        },
        "queries": [{"filter": [], "sort": "-_id"}],
        "on_parent_delete": {"user": "cascade"},
    },
}
