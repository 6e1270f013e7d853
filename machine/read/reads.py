"""The one read path: lists and items of every resource, compiled once from its declaration.

Visibility is part of the query, never a check afterwards; so lists, items, sub-resources, embedded documents
and references share one truth. The Flask view and whatever else answers reads call `Reads`, nothing else does.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from bson import ObjectId
from werkzeug.datastructures import MultiDict

from machine.access.caller import Caller
from machine.access.rights import has_scope, may_read, oversees, owns, query_by_link, require_method
from machine.declare.match import as_query, matches, reach
from machine.declare.resource import Query, Resource
from machine.edge.tags import tag_of, tag_of_list
from machine.read.cursor import Cursors, Step, flip, following, scope_of
from machine.read.documents import LONGEST_QUERY, Document, Documents, Tags
from machine.read.links import Links
from machine.read.places import Place, QueryChoice, merge
from machine.read.query import ITEM_PARAMETERS, LIST_PARAMETERS, Asked, read_after, read_asked
from machine.read.representation import ALWAYS, Representation
from machine.write.store import Store
from settings import PREFIX

Args = MultiDict[str, str]


class Reads(Documents):
    """Readers of all resources."""

    def __init__(self, store: Store, secret: str) -> None:
        super().__init__(store)
        self.cursors = Cursors(secret)
        self.readers = {resource.name: Reader(resource, self) for resource in store.registry}
        self.fetched: Callable[[str, str, Any], None] = lambda kind, resource, found: None
        # Whether somebody listens to what is fetched, and so wants plain documents.
        self.watched: Callable[[str], bool] = lambda resource: False

    def __getitem__(self, name: str) -> "Reader":
        return self.readers[name]

    def written(
        self, name: str, document: Document, caller: Caller, parent: Document | None = None
    ) -> Document:
        """Return what a caller is answered of a document just written. `parent`: what it belongs to, if read before."""
        resource, words = self.store.registry[name], frozenset[str]()
        if has_scope(resource, "GET", caller):
            parent = parent or self.require_parent(resource, document, caller)
            words = self.words(resource, document, caller, parent)
        return self[name].answer(document, words, caller)


class Reader(Representation, QueryChoice):
    """Answers lists and items of one resource."""

    def __init__(self, resource: Resource, reads: Reads) -> None:
        super().__init__(resource, Links(resource, reads.store.registry))
        self.reads = reads
        self.nullable = frozenset(name for name, field in resource.fields.items() if field.nullable)

    def item(self, id_: ObjectId, args: Args, caller: Caller, tags: Tags = None) -> Document:
        """Return the representation of one document, 404 where the caller may not read it."""
        require_method(self.resource, "GET", caller)
        asked = read_asked(self.resource, args, ITEM_PARAMETERS)
        naive = not self.reads.watched(self.resource.name)
        document, parent = self.reads.with_parent(self.resource.name, id_, caller, tags, naive)
        words = self.reads.words(self.resource, document, caller, parent)
        shown = self.represent(document, words, asked.fields)
        self.embed([shown], asked.embedded, caller, tags)
        self.reads.fetched("item", self.resource.name, shown)
        return shown

    def page(self, place: Place, args: Args, caller: Caller, tags: Tags = None) -> Document:
        """Return one page of a list as Eve's envelope, with links to the next and previous page."""
        require_method(self.resource, "GET", caller)
        asked = read_asked(self.resource, args, LIST_PARAMETERS)
        if place.mount and place.parent and place.mount.field == self.resource.readable_with:
            self.reads.require_open(self.resource, place.parent, caller)
        query, condition = self.choose(place, asked, caller)
        if asked.after is not None:
            (name, way), *_ = query.sort
            bound = {name: {"$gt" if way > 0 else "$lt": read_after(self.resource, name, asked.after)}}
            condition = merge([condition, bound])
        scope = scope_of(self.resource.name, query.sort, condition)
        direction, position = self.reads.cursors.read(asked.cursor, scope) if asked.cursor else ("n", None)
        direction, tied = direction[0], direction.endswith("t")
        sort = flip(query.sort) if direction == "p" else list(query.sort)
        steps = following(sort, position, self.nullable, tied) if position else [({}, sort)]
        words = self.view_words(query.view, caller)
        found = self.fetch(condition, steps, asked, words)
        more, found = len(found) > asked.limit, found[: asked.limit]
        if direction == "p":
            found.reverse()
        ends = self.ends(found, query, scope, direction, more, position is not None)
        if tags is not None:
            tags.add(tag_of_list(self.resource, {**asked.where, **place.pins}))
            tags |= {tag_of(self.resource.name, one["_id"]) for one in found}
        found = self.drop_unreadable(found, place, caller, tags)
        plain = asked.fields is not None or self.reads.watched(self.resource.name)
        items = [self.show(one, self.words_in_list(one, words, caller), asked, plain) for one in found]
        known = (
            {place.mount.field: {place.parent["_id"]: place.parent}} if place.mount and place.parent else None
        )
        self.embed(items, asked.embedded, caller, tags, known)
        envelope = {
            "_items": items,
            "_links": self.page_links(place, args, ends),
            "_meta": {"max_results": asked.limit},
        }
        self.reads.fetched("resource", self.resource.name, envelope)
        return envelope

    def fetch(
        self, condition: dict[str, Any], steps: list[Step], asked: Asked, words: frozenset[str]
    ) -> list[Document]:
        """Read one page and one more document, so that the end of the list is known without a count.

        Each further step is asked only for what the ones before it have left to find.
        """
        keys = {name.split(".")[0] for name, _ in steps[-1][1]}
        names = self.visible(words | {"owner"}) if "user" in words else self.visible(words)
        if asked.fields is not None:
            names = names & (asked.fields | ALWAYS | keys)
        projection = dict.fromkeys({*names, *self.links.needs, *keys}, 1)
        found: list[Document] = []
        rows = self.reads.store.collection(self.resource.name, not self.reads.watched(self.resource.name))
        for further, sort in steps:
            every = {"$and": [condition, further]} if further else condition
            cursor = rows.find(every, projection, sort=sort)
            found += cursor.limit(asked.limit + 1 - len(found)).max_time_ms(LONGEST_QUERY)
            if len(found) > asked.limit:
                break
        return found

    def drop_unreadable(
        self, found: list[Document], place: Place, caller: Caller, tags: Tags = None
    ) -> list[Document]:
        """Leave out documents whose parent the caller may not read; one query for the whole page."""
        field = self.resource.readable_with
        if field is None or (place.mount and place.mount.field == field) or oversees(self.resource, caller):
            return found
        mine = [one for one in found if owns(self.resource, one, caller)]
        ids = {one[field] for one in found if one.get(field)}
        if len(mine) == len(found) or not ids:
            return found
        parent = self.reads.store.registry[self.resource.references[field]]
        if tags is not None:
            tags |= {tag_of(parent.name, id_) for id_ in ids}
        readable = self.known_readable(place, parent, caller)
        if ids - readable:
            query = {
                "_id": {"$in": list(ids - readable)},
                **query_by_link(parent, caller),
                **as_query(self.resource.readable_while),
            }
            rows = self.reads.store.collection(parent.name).find(query, {"_id": 1})
            readable |= {one["_id"] for one in rows}
        return [one for one in found if one.get(field) in readable or owns(self.resource, one, caller)]

    def known_readable(self, place: Place, parent: Resource, caller: Caller) -> set[ObjectId]:
        """Return the id of what this list stands below, two floors up, if it is such a parent and may be read."""
        known = place.grandparent
        if place.mount is None or known is None:
            return set()
        between = self.reads.parent_of(self.reads.store.registry[place.mount.parent])
        if between is not parent or parent.readable_with or not may_read(parent, known, caller):
            return set()
        return {known["_id"]} if matches(known, self.resource.readable_while) else set()

    def ends(
        self, found: list[Document], query: Query, scope: bytes, direction: str, more: bool, inside: bool
    ) -> dict[str, str]:
        """Return the cursors of the neighbouring pages."""
        if not found:
            return {}
        ends, key = {}, query.sort[0][0]
        tied = "t" if key != "_id" and reach(found[0], key) == reach(found[-1], key) else ""
        if more or direction == "p":
            ends["next"] = self.cursor("n" + tied, found[-1], query, scope)
        if (direction == "n" and inside) or (direction == "p" and more):
            ends["prev"] = self.cursor("p" + tied, found[0], query, scope)
        return ends

    def cursor(self, direction: str, document: Document, query: Query, scope: bytes) -> str:
        """Make the cursor of a document's position."""
        return self.reads.cursors.make(direction, [reach(document, name) for name, _ in query.sort], scope)

    def page_links(self, place: Place, args: Args, ends: dict[str, str]) -> dict[str, Any]:
        """Return the links of a page."""
        asked = {name: value for name, value in args.items() if name != "cursor"}
        links: dict[str, Any] = {
            "self": {"href": with_query(place.path, dict(args.items())), "title": self.resource.name},
            "parent": {"href": f"{PREFIX}/", "title": "home"},
        }
        if place.mount and place.parent:
            links["parent"] = {"href": place.path.rsplit("/", 1)[0], "title": place.mount.parent}
        for name, token in ends.items():
            href = with_query(place.path, {**asked, "cursor": token})
            links[name] = {"href": href, "title": f"{'next' if name == 'next' else 'previous'} page"}
        return links


def with_query(path: str, args: Mapping[str, str]) -> str:
    """Return a path with its query string."""
    return f"{path}?{urlencode(args, quote_via=quote)}" if args else path
