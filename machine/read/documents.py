"""One stored document, for callers who may read it by its link: the same rule for items, references and writes."""

from typing import Any

from bson import ObjectId

from machine.access.caller import Caller
from machine.access.rights import may_read, oversees, owns, query_by_link, standing
from machine.declare.match import matches
from machine.declare.resource import Resource
from machine.edge.tags import tag_of
from machine.http.problem import Problem
from machine.write.store import Store

Document = dict[str, Any]
# Collects the tags of what an answer is built from; None where the answer is not to be cached.
Tags = set[str] | None
# A query that takes longer than this many milliseconds is ended and answered with 503.
LONGEST_QUERY = 5000
# Where a command puts what a document belongs to; no field is called that.
PARENT = "_parent"


class Documents:
    """Finds documents by id. Visibility is part of the query, never a check afterwards."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def document(self, name: str, id_: ObjectId, caller: Caller, tags: Tags = None) -> Document:
        """Return a stored document that the caller may read by its link, else 404."""
        return self.with_parent(name, id_, caller, tags)[0]

    def with_parent(
        self, name: str, id_: ObjectId, caller: Caller, tags: Tags = None, naive: bool = False
    ) -> tuple[Document, Document | None]:
        """Return a stored document that the caller may read by its link, and what it belongs to; else 404.

        `naive`: with dates that have no zone, for the renderer.
        """
        resource = self.store.registry[name]
        if tags is not None:
            tags.add(tag_of(name, id_))
        condition = {"_id": id_, **query_by_link(resource, caller)}
        found, parent = self.fetch_with_parent(resource, condition, naive)
        if found is None:
            found = self.hosted(resource, id_, caller)
        return found, self.require_parent(resource, found, caller, tags, parent)

    def fetch_with_parent(
        self, resource: Resource, condition: dict[str, Any], naive: bool
    ) -> tuple[Document | None, Document | None]:
        """Return a document and what it belongs to, in one command, without asking who may read that."""
        rows, above = self.store.collection(resource.name, naive), self.parent_of(resource)
        if above is None:
            # It is looked up by its id, so nothing can take long.
            return rows.find_one(condition), None
        join = {"from": above.name, "localField": resource.readable_with, "foreignField": "_id", "as": PARENT}
        stages: list[dict[str, Any]] = [{"$match": condition}, {"$lookup": join}]
        found: Document | None = next(rows.aggregate(stages, maxTimeMS=LONGEST_QUERY), None)
        parents = found.pop(PARENT) if found else []
        return found, parents[0] if parents else None

    def parent_of(self, resource: Resource) -> Resource | None:
        """Return the resource that documents of this one belong to."""
        field = resource.readable_with
        return self.store.registry[resource.references[field]] if field else None

    def hosted(self, resource: Resource, id_: ObjectId, caller: Caller) -> Document:
        """Return a document that the caller may read since it belongs to something of theirs, else 404."""
        field = resource.readable_with
        if field and caller.signed_in and "GET" in resource.roles["host"]:
            found = self.store.get(resource.name, id_)
            if found and not found.get("deleted_at") and found.get(field):
                above = self.store.registry[resource.references[field]]
                parent = self.store.get(above.name, found[field])
                if parent and not parent.get("deleted_at") and owns(above, parent, caller):
                    return found
        raise Problem(404, "not_found")

    def require_parent(
        self,
        resource: Resource,
        document: Document,
        caller: Caller,
        tags: Tags = None,
        parent: Document | None = None,
    ) -> Document | None:
        """Return what the document belongs to; 404 where the caller may not read that. `parent`: it, if read before."""
        field, above = resource.readable_with, self.parent_of(resource)
        if field is None or above is None or document.get(field) is None:
            return None
        if owns(resource, document, caller) or oversees(resource, caller):
            return parent or self.store.get(above.name, document[field])
        if parent is None or above.readable_with:
            parent = self.document(above.name, document[field], caller, tags)
        elif not may_read(above, parent, caller):
            raise Problem(404, "not_found")
        if tags is not None:
            tags.add(tag_of(above.name, parent["_id"]))
        self.require_open(resource, parent, caller)
        return parent

    def require_open(self, resource: Resource, parent: Document, caller: Caller) -> None:
        """Answer 404 for what belongs to something that is closed to this caller just now."""
        above = self.parent_of(resource)
        if not resource.readable_while or above is None:
            return
        inside = owns(above, parent, caller) or oversees(above, caller)
        if not inside and not matches(parent, resource.readable_while):
            raise Problem(404, "not_found")

    def words(
        self, resource: Resource, document: Document, caller: Caller, parent: Document | None
    ) -> frozenset[str]:
        """Return what the caller is to this document, given what it belongs to."""
        above = self.parent_of(resource)
        hosts = parent is not None and above is not None and owns(above, parent, caller)
        host = caller.id if hosts else None
        return standing(resource, document, caller, host)
