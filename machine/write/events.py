"""Events: which of the declared ones a write is, and the log from which notifications and webhooks are made.

The log is written past the store, by the store: an entry is part of another document's write, inside its transaction.
As a write of its own each would bump cache tags in Redis, though nobody is sent a cached event, and ask the recorders
what they make of it. Entries have what the store would give them, and nobody changes them but the relay.
"""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from clients import clock, tracing
from machine.declare.resource import Resource
from machine.services import Services

Document = Mapping[str, Any]
# Each from before to after; None where there is nothing.
Changes = Iterable[tuple[Document | None, Document | None]]
EVENTS = "events"
# Fields whose change alone is no event.
QUIET = {"_etag", "_updated", "counters", "counters_rev"}


def moments(resource: Resource, before: Document | None, after: Document | None) -> list[str]:
    """Return the declared moments that a write is: a coming, a change, a going, a state reached, a `<verb>_at` set."""
    happened = set()
    gone = after is None or (after.get("deleted_at") and before and not before.get("deleted_at"))
    if before is None:
        happened.add("created")
    elif gone:
        happened.add("deleted")
    elif after is not None and changed(before, after):
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


def changed(before: Document, after: Document) -> set[str]:
    """Return the fields that differ, but for what machines keep."""
    return {name for name in (set(before) | set(after)) - QUIET if before.get(name) != after.get(name)}


class EventLog:
    """The recorder of events."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def concerns(self, resource: Resource) -> bool:
        """Tell whether the resource declares events."""
        return bool(resource.events)

    def record(self, resource: Resource, changes: Changes, session: ClientSession | None) -> None:
        """Append what these changes are."""
        entries = [entry for change in changes for entry in entries_of(resource, *change)]
        if entries:
            self.services.db[EVENTS].insert_many(entries, session=session)


def entries_of(resource: Resource, before: Document | None, after: Document | None) -> list[dict[str, Any]]:
    """Return what the log says of one change: an entry for each moment that it is."""
    document = after or before or {}
    moment = clock.now()
    return [
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
            # Of what it depends on who may see it and who is told: what was so before, so that an undoing is seen.
            "was": {field: before.get(field) for field in sorted(resource.watched)} if before else {},
            "data": None if name == "deleted" else public_part(resource, document),
            "happened_at": moment,
            # Whose request it was: the logs and traces of what follows carry it.
            "request_id": structlog.contextvars.get_contextvars().get("request_id"),
            "trace": tracing.context(),
            "relayed_at": None,
        }
        for name in moments(resource, before, after)
    ]


def public_part(resource: Resource, document: Document) -> dict[str, Any]:
    """Return what everyone may read of a document, where everyone may read it at all."""
    return {
        name: value
        for name, value in document.items()
        if name in resource.fields and resource.fields[name].public
    }
