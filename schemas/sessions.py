"""Sessions: where a user is signed in. Begun by /auth/login; deleting one signs that device out at once."""

from schemas._fields import expiry, moment, ref, text

resource = {
    "schema": {
        "user": ref("users", readonly=True),
        "device": text(max=200, readonly=True),
        "address": text(max=50, readonly=True),
        "last_used_at": moment(readonly=True),
        "expires_at": moment(readonly=True),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET", "DELETE"],
    "mongo_indexes": {"expire": expiry("expires_at")},
    "policy": {
        "owner": "user",
        "people_only": True,
        "fields": {
            "user": {"read": ["owner"]},
            "device": {"read": ["owner"], "pii": True},
            "address": {"read": ["owner"], "pii": True},
        },
        "queries": [{"filter": [], "sort": "-_id"}],
        "on_parent_delete": {"user": "cascade"},
    },
}
