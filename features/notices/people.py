"""Whom a document concerns, as its declaration says (`notices`), and who of them may be told of it now."""

from collections.abc import Iterable, Mapping
from typing import Any

from bson import ObjectId

from machine.access.caller import Caller
from machine.access.rights import may_read
from machine.declare.match import as_query, matches
from machine.declare.notice import Followers, Notice
from machine.declare.resource import Resource
from machine.write.store import Store

Document = Mapping[str, Any]
NOTIFICATIONS = "notifications"


def above(store: Store, resource: Resource, document: Document) -> Document | None:
    """Return what a document can only be read together with, if there is such a thing."""
    if not resource.readable_with:
        return None
    return store.get(resource.references[resource.readable_with], document[resource.readable_with])


def concerned(
    store: Store, resource: Resource, document: Document, parent: Document | None
) -> dict[ObjectId, Notice]:
    """Return the people whom a document concerns as it is, by no moment: each with the first kind that names them.

    Nobody is told of their own doing.
    """
    found: dict[ObjectId, Notice] = {}
    for notice in resource.notices:
        if not notice.on and matches(document, notice.when) and not document.get("deleted_at"):
            for person in people(store, resource, notice, document, parent):
                found.setdefault(person, notice)
    owner: Any = document.get(resource.owner or "")
    found.pop(owner, None)
    return found


def people(
    store: Store, resource: Resource, notice: Notice, document: Document, parent: Document | None
) -> list[Any]:
    """Return the people whom a kind of notice names; followers are too many to be listed."""
    if notice.to == "owner":
        named = document.get(resource.owner or "")
    elif notice.to == "host":
        owner = store.registry[resource.references[resource.readable_with or ""]].owner
        named = parent.get(owner or "") if parent else None
    else:
        named = document.get(str(notice.to))
    return [one for one in (named if isinstance(named, list) else [named]) if one is not None]


def followers(
    store: Store,
    to: Followers,
    document: Document,
    after: Any,
    limit: int,
    among: Iterable[Any] | None = None,
) -> list[Document]:
    """Return the documents of those who follow, in the order of their ids; of these people alone if they are named."""
    match: dict[str, Any] = {to.by: document[to.by], **as_query(to.when)}
    if after is not None:
        match["_id"] = {"$gt": after}
    if among is not None:
        match[owner_of(store, to)] = {"$in": list(among)}
    return list(store.collection(to.of).find(match).sort("_id", 1).limit(limit))


def owner_of(store: Store, to: Followers) -> str:
    """Return the field that says whose a document is by which somebody follows."""
    return store.registry[to.of].owner or ""


def sees(
    store: Store, resource: Resource, person: ObjectId, document: Document, parent: Document | None
) -> bool:
    """Tell whether somebody may read a document now, or what it can only be read together with."""
    if resource.readable_with:
        if parent is None:
            return False
        return may_read(
            store.registry[resource.references[resource.readable_with]], parent, Caller(person, "user")
        )
    return may_read(resource, document, Caller(person, "user"))


def facts_of(store: Store, resource: Resource, document: Document, notice: Notice) -> dict[str, Any]:
    """Return what a notification says of a document: itself and what it belongs to, and who did it."""
    facts: dict[str, Any] = {}
    for field, target in store.registry[NOTIFICATIONS].references.items():
        if target == resource.name:
            facts[field] = document["_id"]
        elif resource.references.get(field) == target and document.get(field) is not None:
            facts[field] = document[field]
    if notice.to != "owner":
        facts["actor"] = document.get(resource.owner or "")
    return facts
