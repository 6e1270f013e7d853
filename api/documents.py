"""One stored document, for whoever may read it by its link: the same truth for items, references and writes."""

from typing import Any

from bson import ObjectId

from policy.access import oversees, owns, query_by_link, standing
from policy.caller import Caller
from policy.match import matches
from policy.problem import Problem
from policy.resource import Resource
from policy.store import Store
from policy.tags import tag_of

Document = dict[str, Any]
# Collects what an answer is built from; None where nobody means to cache it.
Tags = set[str] | None
# A query that takes longer than this many milliseconds is ended and answered with 503.
LONGEST_QUERY = 5000


class Documents:
    """Finds documents by id. Visibility is part of the query, never a check afterwards."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def document(self, name: str, id_: ObjectId, caller: Caller, tags: Tags = None) -> Document:
        """Return a stored document that the caller may read by its link, else 404."""
        return self.with_parent(name, id_, caller, tags)[0]

    def with_parent(
        self, name: str, id_: ObjectId, caller: Caller, tags: Tags = None
    ) -> tuple[Document, Document | None]:
        """Return a stored document that the caller may read by its link, and what it belongs to; else 404."""
        resource = self.store.registry[name]
        if tags is not None:
            tags.add(tag_of(name, id_))
        found: Document | None = self.store.collection(name).find_one(
            {"_id": id_, **query_by_link(resource, caller)}, max_time_ms=LONGEST_QUERY
        )
        if found is None:
            found = self.hosted(resource, id_, caller)
        return found, self.require_parent(resource, found, caller, tags)

    def hosted(self, resource: Resource, id_: ObjectId, caller: Caller) -> Document:
        """Return a document that the caller may read since it belongs to something of his own, else 404."""
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
        self, resource: Resource, document: Document, caller: Caller, tags: Tags = None
    ) -> Document | None:
        """Return what the document belongs to; 404 where the caller may not read that."""
        field = resource.readable_with
        if field is None or document.get(field) is None:
            return None
        if owns(resource, document, caller) or oversees(resource, caller):
            return self.store.get(resource.references[field], document[field])
        parent = self.document(resource.references[field], document[field], caller, tags)
        self.require_open(resource, parent, caller)
        return parent

    def require_open(self, resource: Resource, parent: Document, caller: Caller) -> None:
        """Answer 404 for what belongs to something that is closed to this caller just now."""
        if not resource.readable_while or resource.readable_with is None:
            return
        above = self.store.registry[resource.references[resource.readable_with]]
        inside = owns(above, parent, caller) or oversees(above, caller)
        if not inside and not matches(parent, resource.readable_while):
            raise Problem(404, "not_found")

    def words(
        self, resource: Resource, document: Document, caller: Caller, parent: Document | None
    ) -> frozenset[str]:
        """Return what the caller is to this document, given what it belongs to."""
        host = None
        if parent is not None and resource.readable_with:
            above = self.store.registry[resource.references[resource.readable_with]]
            host = parent.get(above.owner) if above.owner else None
        return standing(resource, document, caller, host)
