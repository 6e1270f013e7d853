"""Sessions: where a user is signed in. Begun by /auth/login; deleting one signs that device out at once."""

from schemas._fields import moment, ref, text

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
    "mongo_indexes": {
        "by_user": [("user", 1), ("_id", -1)],
        "expire": ([("expires_at", 1)], {"expireAfterSeconds": 0}),
    },
    "policy": {
        "owner": "user",
        "people_only": True,
        "readable": None,
        "roles": {"anonymous": [], "user": ["GET"], "owner": ["GET", "DELETE"]},
        "fields": {
            "user": {"read": ["owner"], "write": ["server"]},
            "device": {"read": ["owner"], "write": ["server"], "pii": True},
            "address": {"read": ["owner"], "write": ["server"], "pii": True},
        },
        "queries": [{"filter": [], "sort": "-_id"}],
        "on_parent_delete": {"user": "cascade"},
    },
}
