"""Leaves out of a list what belongs to something that the caller may not read."""

from bson import ObjectId

from machine.access.caller import Caller
from machine.access.rights import may_read, oversees, owns, query_by_link
from machine.declare.match import as_query, matches
from machine.declare.resource import Resource
from machine.edge.tags import tag_of
from machine.read.documents import Document, Documents, Tags
from machine.read.places import Place


class ParentCheck:
    """Checks the parents of one resource's documents, a page at a time; single ones `Documents` checks."""

    def __init__(self, resource: Resource, documents: Documents) -> None:
        self.resource = resource
        self.documents = documents

    def keep_readable(
        self, found: list[Document], caller: Caller, tags: Tags = None, place: Place | None = None
    ) -> list[Document]:
        """Return those documents whose parent the caller may read; one query for the whole page, at most."""
        field = self.resource.readable_with
        if field is None:
            return found
        if place is not None and place.mount is not None and place.mount.field == field:
            # They all belong to what the list stands below, and that was read as this caller.
            return found
        if oversees(self.resource, caller):
            return found
        mine = [one for one in found if owns(self.resource, one, caller)]
        ids = {one[field] for one in found if one.get(field)}
        if len(mine) == len(found) or not ids:
            return found
        readable = self.readable_among(ids, field, caller, tags, place)
        return [one for one in found if one.get(field) in readable or owns(self.resource, one, caller)]

    def readable_among(
        self, ids: set[ObjectId], field: str, caller: Caller, tags: Tags, place: Place | None
    ) -> set[ObjectId]:
        """Return which of these parents the caller may read."""
        store = self.documents.store
        parent = store.registry[self.resource.references[field]]
        if tags is not None:
            tags |= {tag_of(parent.name, id_) for id_ in ids}
        readable = self.known_readable(place, parent, caller)
        if ids - readable:
            query = {
                "_id": {"$in": list(ids - readable)},
                **query_by_link(parent, caller),
                **as_query(self.resource.readable_while),
            }
            readable |= {one["_id"] for one in store.collection(parent.name).find(query, {"_id": 1})}
        return readable

    def known_readable(self, place: Place | None, parent: Resource, caller: Caller) -> set[ObjectId]:
        """Return the id of what a list stands below, two floors up, if it is such a parent and may be read."""
        if place is None or place.mount is None or place.grandparent is None:
            return set()
        known, documents = place.grandparent, self.documents
        between = documents.parent_of(documents.store.registry[place.mount.parent])
        if between is not parent or parent.readable_with or not may_read(parent, known, caller):
            return set()
        return {known["_id"]} if matches(known, self.resource.readable_while) else set()
