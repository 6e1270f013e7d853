"""Moments: which of the declared events a write is, and the log that notifications and webhooks feed on."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.database import Database

from policy.resource import Resource
from services import tracing

Document = Mapping[str, Any]
EVENTS = "events"
# What a change of these alone says nothing about.
QUIET = {"_etag", "_updated", "counters", "counters_rev"}


def moments(resource: Resource, before: Document | None, after: Document | None) -> list[str]:
    """Return the declared moments that a write is: a coming, a change, a going, a state reached, a `<verb>_at` set."""
    happened = set()
    gone = after is None or (after.get("deleted_at") and before and not before.get("deleted_at"))
    if before is None:
        happened.add("created")
    elif gone:
        happened.add("deleted")
    elif after is not None and differs(before, after):
        happened.add("updated")
    if after is not None and not gone:
        happened |= {
            after[field] for field in resource.states if before and before.get(field) != after[field]
        }
        happened |= {
            name.removesuffix("_at")
            for name in resource.fields
            if name.endswith("_at") and after.get(name) and not (before or {}).get(name)
        }
    return sorted(happened & resource.events)


def differs(before: Document, after: Document) -> bool:
    """Tell whether anything changed but what machines keep."""
    names = (set(before) | set(after)) - QUIET
    return any(before.get(name) != after.get(name) for name in names)


def record(
    db: Database[Any],
    resource: Resource,
    before: Document | None,
    after: Document | None,
    session: ClientSession | None = None,
) -> None:
    """Append what happened to the log, in the transaction of the write if it has one."""
    if not resource.events:
        return
    document = after or before or {}
    moment = datetime.now(UTC)
    entries = [
        {
            "_id": ObjectId(),
            "_created": moment,
            "_updated": moment,
            "_etag": secrets.token_hex(16),
            "type": f"{resource.name}.{name}",
            "resource": resource.name,
            "subject": document["_id"],
            "owner": document.get(resource.owner) if resource.owner else None,
            "user": None,
            "within": document.get(resource.readable_with) if resource.readable_with else None,
            "was": {field: before.get(field) for field in resource.states} if before else {},
            "data": None if name == "deleted" else public_part(resource, document),
            "happened_at": moment,
            # Whose request it was: the logs and traces of what follows carry it.
            "request_id": structlog.contextvars.get_contextvars().get("request_id"),
            "trace": tracing.context(),
            "relayed_at": None,
        }
        for name in moments(resource, before, after)
    ]
    if entries:
        db[EVENTS].insert_many(entries, session=session)


def public_part(resource: Resource, document: Document) -> dict[str, Any]:
    """Return what everyone may read of a document, where everyone may read it at all."""
    return {
        name: value
        for name, value in document.items()
        if name in resource.fields and resource.fields[name].public
    }
