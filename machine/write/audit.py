"""Entries of the audit log that a request makes: they say whose request it was, and from where."""

from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from flask import has_request_context, request
from pymongo.client_session import ClientSession

from machine.current import g
from machine.services import Services
from machine.write.audit_log import record


def note(
    services: Services,
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
        request_id=g.request_id,
        detail=detail,
        session=session,
    )
