"""Jobs: what the platform does for its users in the background, and how far it is."""

from schemas._fields import choice, mapping, moment, ref, text, whole

FAILED = ["failed", "dead", "cancelled"]
OPEN = ["queued", "running"]

resource = {
    "schema": {
        "type": text(max=40, readonly=True),
        "subject": mapping(
            {"resource": text(max=40), "id": {"type": "objectid", "nullable": True}},
            readonly=True,
            nullable=True,
        ),
        "owner": ref("users", readonly=True, nullable=True),
        "state": choice("queued", "running", "succeeded", "failed", "dead", "cancelled", readonly=True),
        "attempts": whole(readonly=True),
        "next_retry_at": moment(readonly=True),
        "progress": mapping({"step": text(max=40), "percent": whole(max=100)}, readonly=True, nullable=True),
        "error": {"type": "dict", "readonly": True, "nullable": True},
        "result": {"type": "dict", "readonly": True, "nullable": True},
        "started_at": moment(readonly=True),
        "ended_at": moment(readonly=True),
        "deadline_at": moment(readonly=True),
        # What only the machine reads.
        "cause": text(max=500, readonly=True, nullable=True),
        "worker": text(max=200, readonly=True, nullable=True),
        "request_id": text(max=64, readonly=True, nullable=True),
        "trace": text(max=100, readonly=True, nullable=True),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET"],
    "mongo_indexes": {
        "by_key": ([("key", 1)], {"unique": True}),
        "by_due": [("state", 1), ("next_retry_at", 1)],
        "by_lease": [("state", 1), ("lease_until", 1)],
        "by_deadline": [("state", 1), ("deadline_at", 1)],
        "by_owner": [("owner", 1), ("_id", -1)],
        "by_owner_and_state": [("owner", 1), ("state", 1), ("_id", -1)],
        "by_state": [("state", 1), ("_id", -1)],
        "by_type_and_state": [("type", 1), ("state", 1), ("_id", -1)],
        "by_person": (
            [("subject.id", 1)],
            {"partialFilterExpression": {"subject.resource": "users"}},
        ),
        "expire": ([("forget_at", 1)], {"expireAfterSeconds": 0}),
    },
    "policy": {
        "owner": "owner",
        "roles": {"user": [], "owner": ["GET"], "admin": ["GET"]},
        "fields": {
            "result": {"read": ["owner", "admin"], "write": ["server"]},
            "cause": {"read": ["admin"], "write": ["server"]},
            "worker": {"read": ["admin"], "write": ["server"]},
            "request_id": {"read": ["owner", "admin"], "write": ["server"]},
            "trace": {"read": ["admin"], "write": ["server"]},
        },
        "queries": [
            {"filter": ["owner"], "sort": "-_id"},
            {"filter": ["owner", "state"], "sort": "-_id"},
            {"filter": ["state"], "sort": "-_id", "view": "all"},
            {"filter": ["type", "state"], "sort": "-_id", "view": "all"},
        ],
        # An id alone; the ledger forgets what has ended. Jobs about a person go at once
        # (features/identity/departure_jobs.py).
        "on_parent_delete": {"owner": "keep"},
        "actions": {
            "retry": {
                "method": "POST",
                "title": "Do it again",
                "who": ["owner", "admin"],
                "when": {"state": FAILED},
            },
            "cancel": {
                "method": "POST",
                "title": "Stop it",
                "who": ["owner", "admin"],
                "when": {"state": OPEN},
            },
        },
    },
}
