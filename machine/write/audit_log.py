"""The audit log: append-only; each entry says who did what to what, from where, in which request."""

import secrets
from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.database import Database

from clients import clock

COLLECTION = "audit_log"


def record(
    db: Database[dict[str, Any]],
    action: str,
    actor: ObjectId | None,
    target: Mapping[str, Any] | None = None,
    address: str = "",
    request_id: str = "",
    detail: Mapping[str, Any] | None = None,
    session: ClientSession | None = None,
) -> ObjectId:
    """Append one entry and return its id. `target` is {"resource", "id"}; `detail` must hold no secret."""
    now = clock.second()
    entry_id = ObjectId()
    entry = {
        "_id": entry_id,
        "action": action,
        "actor": actor,
        "target": dict(target or {}),
        "address": address,
        "request_id": request_id,
        "detail": dict(detail or {}),
        "happened_at": now,
        "_created": now,
        "_updated": now,
        "_etag": secrets.token_hex(16),
    }
    db[COLLECTION].insert_one(entry, session=session)
    return entry_id
