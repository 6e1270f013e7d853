"""Counters follow documents: raised and lowered exactly when one really came, went, or changed sides."""

from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.database import Database

from policy.match import matches
from policy.resource import Count, Resource

Document = Mapping[str, Any]


def counted_for(rule: Count, document: Document | None) -> ObjectId | None:
    """Return the parent for which the document counts under this rule, None if it does not."""
    if document is None or document.get("deleted_at") or not matches(document, rule.when):
        return None
    parent: ObjectId | None = document.get(rule.of)
    return parent


def count(
    db: Database[Any],
    resource: Resource,
    before: Document | None,
    after: Document | None,
    session: ClientSession | None = None,
) -> list[tuple[str, ObjectId]]:
    """Apply the difference between before and after to the parents' counters, and return these parents.

    They keep their ETag: a counter is not what an editor edits.
    """
    deltas: dict[tuple[str, ObjectId], dict[str, int]] = {}
    for rule in resource.counts:
        old, new = counted_for(rule, before), counted_for(rule, after)
        if old == new:
            continue
        for document, parent, step in ((before, old, -1), (after, new, 1)):
            if document is not None and parent is not None:
                change = deltas.setdefault((resource.target_of(rule.of, document), parent), {})
                change[rule.counter] = change.get(rule.counter, 0) + step
    for (collection, parent), change in deltas.items():
        # The revision lets a recount notice that it raced with us.
        db[collection].update_one({"_id": parent}, {"$inc": {**change, "counters_rev": 1}}, session=session)
    return list(deltas)
