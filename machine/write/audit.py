"""The audit log: append-only; each entry says who did what to what, from where, in which request."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from flask import g, has_request_context, request
from pymongo.client_session import ClientSession
from pymongo.database import Database

from clients import clock

if TYPE_CHECKING:
    from machine.connected import Connected

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


def note(
    services: "Connected",
    action: str,
    target: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
    actor: ObjectId | None = None,
    session: ClientSession | None = None,
) -> None:
    """Append an audit entry with what the present request tells of who and from where."""
    if not has_request_context():
        record(services.db, action, actor, target, detail=detail, session=session)
        return
    record(
        services.db,
        action,
        actor or g.caller.id,
        target,
        address=request.remote_addr or "",
        request_id=g.get("request_id", ""),
        detail=detail,
        session=session,
    )
