"""Events: what happened to one's own things, in order. Kept for 30 days; webhooks and notifications feed on them."""

from schemas._fields import each, expiry, keys, mapping, moment, ref, text, whole

resource = {
    "schema": {
        "type": text(max=60, readonly=True),
        "resource": text(max=40, readonly=True),
        "subject": {"type": "objectid", "readonly": True},
        "owner": ref("users", readonly=True, nullable=True),
        "user": ref("users", readonly=True),
        "within": {"type": "objectid", "readonly": True, "nullable": True},
        "seq": whole(readonly=True),
        "data": mapping({}, allow_unknown=True, readonly=True, nullable=True),
        "happened_at": moment(readonly=True),
        "relayed_at": moment(readonly=True),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET"],
    "mongo_indexes": {
        "by_owner": (keys("owner"), {"sparse": True}),
        "waiting": (keys("_id", "relayed_at"), {"partialFilterExpression": {"relayed_at": None}}),
        "expire": expiry("happened_at", 30 * 86400),
    },
    "policy": {
        "owner": "user",
        # What it holds was copied from what its type names.
        "about": "type",
        "fields": {
            "data": {"pii": True},
            **each("within", "relayed_at", read=["server"]),
        },
        "queries": [
            {"filter": [], "sort": "seq"},
            {"filter": ["type"], "sort": "seq"},
        ],
        # Others keep what happened to their things, without the words of whoever left.
        "on_parent_delete": {"user": "cascade", "owner": "anonymize"},
    },
}
