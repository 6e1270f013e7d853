"""Where a list stands, and which declared query serves it: whose documents it is of, and how it is filtered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from machine.access.caller import Caller
from machine.access.rights import alive, listed, oversees, owns, refusal, told_to, words_in_public, words_of
from machine.declare.resource import Mount, Query, Resource
from machine.http.problem import Problem
from machine.read.documents import Document
from machine.read.query import Asked, allowed_queries
from machine.write.store import Store


@dataclass
class Place:
    """Where a list stands: at its own URL, or below a document that the caller may read."""

    path: str
    mount: Mount | None = None
    parent: Document | None = None
    # What the parent itself belongs to.
    grandparent: Document | None = None

    @property
    def pins(self) -> dict[str, Any]:
        """Return the conditions that the URL itself makes."""
        return self.pins_for("public")

    def pins_for(self, view: str) -> dict[str, Any]:
        """Return the conditions that the URL makes in a view; that of a host lists all below, however deep."""
        if self.mount is None or self.parent is None:
            return {}
        pins = {self.mount.field: self.parent["_id"]}
        return pins if view == "hosted" else {**pins, **self.mount.filter}

    def parent_named(self, field: str, id_: Any) -> Document | None:
        """Return the parent if a field names it: this request has read it, and may; once is enough."""
        fits = self.mount is not None and self.parent is not None and self.mount.field == field
        return self.parent if fits and self.parent is not None and self.parent["_id"] == id_ else None


class QueryChoice:
    """Picks the declared query of one resource's lists, and builds its whole condition."""

    def __init__(self, resource: Resource, store: Store) -> None:
        self.resource = resource
        self.store = store

    def choose(self, place: Place, asked: Asked, caller: Caller) -> tuple[Query, dict[str, Any]]:
        """Pick the declared query that serves this request and build its full condition."""
        pins, owner = place.pins, self.resource.owner
        names = frozenset(asked.names | set(pins))
        declared = [q for q in self.resource.queries if asked.sort in (None, q.sort)]
        fitting = [query for query in declared if self.is_asked(query, place, asked)]
        if not fitting:
            raise Problem(400, "query_not_declared", allowed=allowed_queries(self.resource))
        if asked.where and not pins and not is_bounded(asked.where):
            detail = "Give at least one field exactly, or as a list of values."
            raise Problem(400, "bad_query", detail, allowed=allowed_queries(self.resource))
        for query in sorted(fitting, key=lambda q: ("owned", "hosted", "public", "all").index(q.view)):
            view = self.view_condition(query, place, asked, caller)
            if view is not None:
                told = told_to(self.resource, caller)
                parts = (asked.where, place.pins_for(query.view), view, told)
                return query, merge([part for part in parts if part])
        # Where only one's own documents can be listed, a list without a filter is of these.
        mine = next((query for query in fitting if query.view == "owned"), None)
        if mine and caller.signed_in and owner and owner not in names and not asked.deleted:
            own = {owner: caller.id, **alive(self.resource), **told_to(self.resource, caller)}
            return mine, merge([part for part in (asked.where, pins, own) if part])
        raise refusal(caller)

    def is_asked(self, query: Query, place: Place, asked: Asked) -> bool:
        """Tell whether a request names just the fields of a query; one's own go without saying whose."""
        names = asked.names | set(place.pins_for(query.view))
        return query.filter == names or (
            query.view == "owned" and query.filter == names | {self.resource.owner}
        )

    def view_condition(
        self, query: Query, place: Place, asked: Asked, caller: Caller
    ) -> dict[str, Any] | None:
        """Return the condition of a view, None where it is not this caller's to use."""
        resource = self.resource
        if asked.deleted and not (resource.keep_deleted and query.view == "owned"):
            return None
        if query.view == "public":
            return listed(resource)
        there = {"deleted_at": {"$ne": None}} if asked.deleted else alive(resource)
        if query.view == "all":
            return there if oversees(resource, caller) else None
        if not caller.signed_in:
            return None
        if query.view == "hosted":
            return there if self.hosts(place, asked, caller) else None
        if asked.where.get(resource.owner or "") not in (None, caller.id):
            return None
        if self.owns_place(place, caller):
            return there
        named = asked.deleted or resource.owner in asked.names or resource.readable is None
        return {str(resource.owner): caller.id, **there} if named else None

    def owns_place(self, place: Place, caller: Caller) -> bool:
        """Tell whether everything in this place is the caller's, since its parent is."""
        via, mount, parent = self.resource.owner_via, place.mount, place.parent
        return bool(via and mount and parent and via[0] == mount.field and parent.get(via[1]) == caller.id)

    def hosts(self, place: Place, asked: Asked, caller: Caller) -> bool:
        """Tell whether the caller owns what this list belongs to, by its URL or by its filter."""
        field = self.resource.readable_with
        if field is None:
            return False
        above = self.store.registry[self.resource.references[field]]
        if place.mount is not None and place.parent is not None and place.mount.field == field:
            return owns(above, place.parent, caller)
        named = asked.where.get(field)
        parent = self.store.get(above.name, named) if isinstance(named, ObjectId) else None
        return parent is not None and owns(above, parent, caller)

    def view_words(self, view: str, caller: Caller) -> frozenset[str]:
        """Return what the caller is to every document of a view."""
        if view in ("owned", "hosted"):
            return words_of(caller) | {"owner" if view == "owned" else "host"}
        return words_of(caller) if view == "all" else words_in_public(caller)


def is_bounded(where: Mapping[str, Any]) -> bool:
    """Tell whether a filter names some value exactly. One that only excludes would read a whole collection."""
    for name, condition in where.items():
        if name == "$or":
            if all(is_bounded(branch) for branch in condition):
                return True
        elif name == "$and":
            if any(is_bounded(part) for part in condition):
                return True
        elif not isinstance(condition, dict) or {"$eq", "$in"} & set(condition):
            return True
    return False


def merge(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Join conditions; those that speak of the same field stand side by side in an `$and`."""
    merged: dict[str, Any] = {}
    for part in parts:
        if set(part) & set(merged):
            return {"$and": parts}
        merged.update(part)
    return merged
