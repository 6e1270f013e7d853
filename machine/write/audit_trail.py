"""The audit trail of writes: what moderators and administrators do to things of others, and every change of rights.

Written in the transaction of the write itself: neither is ever there without the other.
"""

from typing import Any

from bson import ObjectId
from flask import has_request_context
from pymongo.client_session import ClientSession

from machine.access.caller import Caller
from machine.access.rights import as_writer, owns
from machine.current import g
from machine.declare.resource import RANKS, Resource
from machine.services import Services
from machine.write.audit import note
from machine.write.events import Changes, Document, changed

# The roles that may do what others may not.
RULING = frozenset(RANKS[2:])


def name_deed(document: ObjectId, action: str, **detail: Any) -> None:
    """Say under which name what this request does to a document goes into the trail, and what else to say of it."""
    g.write.deeds[document] = (action, detail)


class AuditTrail:
    """The recorder of what is done by virtue of a role."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def concerns(self, resource: Resource) -> bool:
        """Tell whether the resource has privileges to give, or somebody with a role is writing."""
        return bool(privileges(resource)) or ruler() is not None

    def record(self, resource: Resource, changes: Changes, session: ClientSession | None) -> None:
        """Append an entry for each privilege that changed and each deed."""
        given = privileges(resource)
        for before, after in changes:
            subject = after or before or {}
            target = {"resource": resource.name, "id": subject.get("_id")}
            fields = changed(before, after) if before and after else set()
            for name in sorted(fields & given if before else granted(resource, after)):
                detail = {"from": before and before.get(name), "to": after and after.get(name)}
                note(self.services, f"{name}_changed", target, detail, session=session)
            if ruler() is None or (before and after and not fields - given):
                continue
            deed = g.write.deeds.get(subject["_id"])
            if deed is None and not is_at_home(resource, before or subject):
                deed = deed_of(resource, before, after, fields - given)
            if deed is not None:
                note(self.services, deed[0], target, deed[1], session=session)


def ruler() -> Caller | None:
    """Return the caller of the present request if their role may do what others may not."""
    return g.caller if has_request_context() and g.caller.role in RULING else None


def is_at_home(resource: Resource, document: Document) -> bool:
    """Tell whether a document, or what it belongs to, is the caller's own."""
    writer = as_writer(resource, "PATCH", g.caller)
    return owns(resource, document, writer) or "host" in g.write.words


def privileges(resource: Resource) -> set[str]:
    """Return the fields that people can set only by virtue of their role."""
    return {name for name, field in resource.fields.items() if field.write and field.write <= RULING}


def granted(resource: Resource, document: Document | None) -> set[str]:
    """Return the privileges with which a new document begins, other than those that everyone has."""
    return {
        name
        for name in privileges(resource)
        if document and document.get(name) not in (None, resource.schema[name].get("default"))
    }


def deed_of(
    resource: Resource, before: Document | None, after: Document | None, fields: set[str]
) -> tuple[str, dict[str, Any]]:
    """Return the name of a deed and its detail: names of fields and states, never what people wrote."""
    if before is None:
        return f"{resource.name}_created", {}
    if after is None or "deleted_at" in fields:
        return f"{resource.name}_{'restored' if after and not after['deleted_at'] else 'deleted'}", {}
    states = {name: after.get(name) for name in resource.states if name in fields}
    return f"{resource.name}_changed", {"fields": sorted(fields), **states}
