"""Webhook deliveries: each event on its way to one webhook: tried, failed, succeeded, and what was answered."""

from schemas._fields import action, choice, expiry, keys, mapping, moment, ref, text, whole

resource = {
    "schema": {
        "webhook": ref("webhooks", readonly=True),
        "owner": ref("users", readonly=True),
        # Whose words the payload holds.
        "author": ref("users", readonly=True, nullable=True),
        "event": {"type": "objectid", "readonly": True},
        "type": text(max=60, readonly=True),
        "payload": mapping({}, allow_unknown=True, readonly=True),
        "state": choice("pending", "succeeded", "failed", readonly=True),
        "attempts": whole(readonly=True),
        "answer_status": whole(readonly=True, nullable=True),
        "error": text(max=300, readonly=True, nullable=True),
        "took_ms": whole(readonly=True, nullable=True),
        "tried_at": moment(readonly=True),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET"],
    "mongo_indexes": {
        "by_author": (keys("author"), {"sparse": True}),
        "expire": expiry("_created", 30 * 86400),
    },
    "policy": {
        "owner": "owner",
        # What it holds was copied from what its type names.
        "about": "type",
        "fields": {"author": {"read": ["server"]}, "payload": {"pii": ["data"]}},
        "queries": [
            {"filter": [], "sort": "-_id"},
            {"filter": ["webhook"], "sort": "-_id", "index": "by_webhook"},
            {"filter": ["webhook", "state"], "sort": "-_id", "index": "by_state"},
        ],
        "mounts": {"webhook": "webhooks/{webhook}/deliveries"},
        "unique": [{"fields": ["webhook", "event"], "reason": "not_unique"}],
        "on_parent_delete": {"webhook": "cascade", "owner": "cascade", "author": "anonymize"},
        "states": {
            "state": {
                "start": "pending",
                "moves": {
                    "pending": {"succeeded": ["server"], "failed": ["server"]},
                    "failed": {"pending": ["owner"]},
                    "succeeded": {"pending": ["owner"]},
                },
            }
        },
        "actions": {
            "redeliver": action("POST", "Send it again", "owner", when={"state": ["failed", "succeeded"]}),
        },
    },
}
