"""A write that refers to something, and the deletion of that at the same moment: one of the two comes first.

What a document newly refers to must be there when it is written, if the declaration says that something happens to
the document when that goes (`on_parent_delete`: cascade, orphan). Otherwise the job that follows a deletion may have
looked before the document was there, and nobody would ever look again.

- In a transaction the parent is written to first: by the update of its counter, which is due anyway, or by its
  revision alone. Of that and a deletion MongoDB lets one win; the other begins again and finds what the first has done.
- A document that is written on its own, without events, comes first and its parents are looked at afterwards, by the
  update of the counter or by a read. Is the parent there, its deletion is later than the document, and the job finds
  it. Is it not, the document is taken back. So a thousand likes of one video do not stand in line.
- The same goes for parents that are deleted softly (videos). They are erased so much later than they are hidden that a
  write under way does not live to see it; what comes while they are hidden is hidden and restored with them. So
  comments below one video do not stand in line either.
"""

from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.database import Database

from machine.counters.counts import Changes, Parent, deltas_of, revise
from machine.counters.marks import NothingWritten
from machine.declare.registry import Registry
from machine.declare.resource import Resource
from machine.http.problem import Problem

Document = Mapping[str, Any]
# Each parent that must be there, and the field that refers to it.
Needed = dict[Parent, str]


class ParentGone(NothingWritten, Problem):
    """What a write refers to was deleted in the meantime."""

    def __init__(self, field: str) -> None:
        super().__init__(409, "parent_gone", issues={field: "was deleted"})


def needed_by(resource: Resource, before: Document | None, after: Document | None) -> Needed:
    """Return what a change makes a document refer to, as far as anything happens to it when that goes.

    One that comes back from deletion needs whatever it goes with: the job may have passed it by.
    """
    if after is None or after.get("deleted_at"):
        return {}
    back = before is not None and bool(before.get("deleted_at"))
    return {
        (resource.target_of(field, after), after[field]): field
        for field, fate in resource.on_parent_delete.items()
        if fate in ("cascade", "orphan", "anonymize")
        and after.get(field) is not None
        and (before is None or before.get(field) != after[field] or (back and fate == "cascade"))
    }


def hold(db: Database[Any], registry: Registry, needed: Needed, session: ClientSession) -> None:
    """Write to each parent, so that a deletion that begins now waits for this transaction or ends it."""
    for parent, field in needed.items():
        if not revise(db, parent, {}, session, alive(registry, parent)):
            raise ParentGone(field)


def hold_and_count(
    db: Database[Any],
    registry: Registry,
    resource: Resource,
    changes: Changes,
    session: ClientSession,
    all_of_them: bool,
) -> set[Parent]:
    """Hold the parents of new documents and move their counters in the same updates; return which.

    Those that are deleted softly first may be looked at after the commit instead, unless it is `all_of_them`.
    """
    needed, deltas = needed_of(resource, changes), deltas_of(resource, changes)
    held = {one for one in {**deltas, **needed} if all_of_them or not registry[one[0]].keep_deleted}
    for parent in held:
        condition = alive(registry, parent) if parent in needed else {}
        found = revise(db, parent, deltas.get(parent, {}), session, condition)
        if parent in needed and not found:
            raise ParentGone(needed[parent])
    return held


def confirm_and_count(
    db: Database[Any], resource: Resource, changes: Changes, held: set[Parent]
) -> tuple[list[Parent], ParentGone | None]:
    """Move the counters of the parents that were not held, now that the documents are there.

    Return the parents whose counters moved, and the refusal where one is gone: the documents must be taken back.
    """
    needed, deltas = needed_of(resource, changes), deltas_of(resource, changes)
    gone = None
    for parent in {**deltas, **needed}:
        if parent in held:
            continue
        if parent in deltas:
            found = revise(db, parent, deltas[parent])
        else:
            found = db[parent[0]].find_one({"_id": parent[1]}, {"_id": 1}) is not None
        if parent in needed and not found:
            gone = ParentGone(needed[parent])
    return list(deltas), gone


def needed_of(resource: Resource, changes: Changes) -> Needed:
    """Return what several changes make documents refer to."""
    return {parent: field for change in changes for parent, field in needed_by(resource, *change).items()}


def alive(registry: Registry, parent: Parent) -> dict[str, ObjectId | None]:
    """Return what a parent must satisfy to be held."""
    return {"deleted_at": None} if registry[parent[0]].keep_deleted else {}
