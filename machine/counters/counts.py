"""Counters follow documents: raised and lowered exactly when one really came, went, or changed sides."""

from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.database import Database

from machine.declare.match import matches
from machine.declare.resource import Count, Resource

Document = Mapping[str, Any]
# Each from before to after; None where there is nothing.
Changes = Sequence[tuple[Document | None, Document | None]]
Parent = tuple[str, ObjectId]


def counted_for(rule: Count, document: Document | None) -> ObjectId | None:
    """Return the parent for which the document counts under this rule, None if it does not."""
    if document is None or document.get("deleted_at") or not matches(document, rule.when):
        return None
    parent: ObjectId | None = document.get(rule.of)
    return parent


def deltas_of(resource: Resource, changes: Changes) -> dict[Parent, dict[str, int]]:
    """Return by how much the counters of which parents must move after these changes."""
    deltas: dict[Parent, dict[str, int]] = {}
    for before, after in changes:
        for rule in resource.counts:
            old, new = counted_for(rule, before), counted_for(rule, after)
            if old == new:
                continue
            for document, parent, step in ((before, old, -1), (after, new, 1)):
                if document is not None and parent is not None:
                    change = deltas.setdefault((resource.target_of(rule.of, document), parent), {})
                    change[rule.counter] = change.get(rule.counter, 0) + step
    return deltas


def revise(
    db: Database[Any],
    parent: Parent,
    change: Mapping[str, int],
    session: ClientSession | None = None,
    condition: Document | None = None,
) -> bool:
    """Move counters of one parent if it satisfies the condition; tell whether it is there.

    It keeps its ETag: a counter is not what an editor edits. The revision lets a recount notice that it raced with us.
    """
    match = {"_id": parent[1], **(condition or {})}
    update = {"$inc": {**change, "counters_rev": 1}}
    return bool(db[parent[0]].update_one(match, update, session=session).matched_count)


def count(
    db: Database[Any],
    resource: Resource,
    before: Document | None,
    after: Document | None,
    session: ClientSession | None = None,
) -> list[Parent]:
    """Apply the difference between before and after to the parents' counters, and return these parents."""
    deltas = deltas_of(resource, [(before, after)])
    for parent, change in deltas.items():
        revise(db, parent, change, session)
    return list(deltas)
