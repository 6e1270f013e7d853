"""Jobs: what the platform does for its users in the background, and how far it is."""

from schemas._fields import action, choice, each, expiry, keys, mapping, moment, ref, text, unique, whole

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
        "by_key": unique("key"),
        "by_due": keys("state", "next_retry_at"),
        "by_lease": keys("state", "lease_until"),
        "by_deadline": keys("state", "deadline_at"),
        "by_person": (keys("subject.id"), {"partialFilterExpression": {"subject.resource": "users"}}),
        "expire": expiry("forget_at"),
    },
    "policy": {
        "owner": "owner",
        "roles": {"anonymous": ["GET"], "admin": ["GET"]},
        "fields": {
            **each("result", "request_id", read=["owner", "admin"]),
            **each("cause", "worker", "trace", read=["admin"]),
        },
        "queries": [
            {"filter": ["owner"], "sort": "-_id"},
            {"filter": ["owner", "state"], "sort": "-_id", "index": "by_owner_and_state"},
            {"filter": ["state"], "sort": "-_id", "view": "all"},
            {"filter": ["type", "state"], "sort": "-_id", "view": "all", "index": "by_type_and_state"},
        ],
        # An id alone; the ledger forgets what has ended. Jobs about a person go at once
        # (features/identity/departure_jobs.py).
        "on_parent_delete": {"owner": "keep"},
        "actions": {
            "retry": action("POST", "Do it again", "owner", "admin", when={"state": FAILED}),
            "cancel": action("POST", "Stop it", "owner", "admin", when={"state": OPEN}),
        },
    },
}
