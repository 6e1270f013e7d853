"""The audit log: who did what, to what, from where. Only ever appended to; administrators read it."""

from schemas._fields import keys, mapping, moment, ref, text

resource = {
    "schema": {
        "action": text(max=60, readonly=True),
        "actor": ref("users", readonly=True),
        "target": mapping({}, allow_unknown=True, readonly=True),
        "address": text(max=50, readonly=True),
        "request_id": text(max=100, readonly=True),
        "detail": mapping({}, allow_unknown=True, readonly=True),
        "happened_at": moment(readonly=True),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET"],
    "mongo_indexes": {"newest": keys("-happened_at", "-_id")},
    "policy": {
        "roles": {"user": [], "owner": [], "admin": ["GET"]},
        "fields": {"address": {"pii": True}},
        "queries": [
            {"filter": [], "sort": "-_id", "view": "all"},
            {"filter": ["action"], "sort": "-_id", "view": "all"},
            {"filter": ["actor"], "sort": "-_id", "view": "all"},
        ],
        "on_parent_delete": {"actor": "blank"},
    },
}
