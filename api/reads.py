"""The one read path: lists and items of every resource, compiled once from its declaration.

Visibility is part of the query, never a check afterwards; so lists, items, sub-resources, embedded documents
and references share one truth. The Flask view and whatever else answers reads call `Reads`, nothing else does.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from bson import ObjectId
from werkzeug.datastructures import MultiDict

from api.cursor import Cursors, Step, flip, following, scope_of
from api.links import Links
from api.query import ITEM_PARAMETERS, LIST_PARAMETERS, Asked, allowed_queries, read_after, read_asked
from policy.access import (
    hidden_fields,
    oversees,
    owns,
    query_by_link,
    refusal,
    require_method,
    standing,
    words_of,
)
from policy.caller import Caller
from policy.match import as_query, reach
from policy.problem import Problem
from policy.resource import META, Mount, Query, Resource
from policy.store import Store
from policy.tags import tag_of, tag_of_list
from settings import PREFIX

Document = dict[str, Any]
# Collects what an answer is built from; None where nobody means to cache it.
Tags = set[str] | None
Args = MultiDict[str, str]
# A query that takes longer than this many milliseconds is ended and answered with 503.
LONGEST_QUERY = 5000
ALWAYS = frozenset(META)


@dataclass
class Place:
    """Where a list stands: at its own URL, or below a document that the caller may read."""

    path: str
    mount: Mount | None = None
    parent: Document | None = None

    @property
    def pins(self) -> dict[str, Any]:
        """Return the conditions that the URL itself makes."""
        return self.pins_for("public")

    def pins_for(self, view: str) -> dict[str, Any]:
        """Return the conditions that the URL makes in a view; a host's is of all below his, however deep."""
        if self.mount is None or self.parent is None:
            return {}
        pins = {self.mount.field: self.parent["_id"]}
        return pins if view == "hosted" else {**pins, **self.mount.filter}


class Reads:
    """Readers of all resources."""

    def __init__(self, store: Store, secret: str) -> None:
        self.store = store
        self.cursors = Cursors(secret)
        self.readers = {resource.name: Reader(resource, self) for resource in store.registry}
        self.fetched: Callable[[str, str, Any], None] = lambda kind, resource, found: None
        # Whether somebody listens to what is fetched, and so wants plain documents.
        self.watched: Callable[[str], bool] = lambda resource: False

    def __getitem__(self, name: str) -> "Reader":
        return self.readers[name]

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
        return self.document(resource.references[field], document[field], caller, tags)

    def words(
        self, resource: Resource, document: Document, caller: Caller, parent: Document | None
    ) -> frozenset[str]:
        """Return what the caller is to this document, given what it belongs to."""
        host = None
        if parent is not None and resource.readable_with:
            above = self.store.registry[resource.references[resource.readable_with]]
            host = parent.get(above.owner) if above.owner else None
        return standing(resource, document, caller, host)


class Reader:
    """Answers lists and items of one resource."""

    def __init__(self, resource: Resource, reads: Reads) -> None:
        self.resource = resource
        self.reads = reads
        self.links = Links(resource, reads.store.registry)
        self.nullable = frozenset(name for name, field in resource.fields.items() if field.nullable)
        self.seen: dict[frozenset[str], frozenset[str]] = {}
        self.unseen: dict[frozenset[str], tuple[str, ...]] = {}

    def visible(self, words: frozenset[str]) -> frozenset[str]:
        """Return the names of the fields that somebody with these words may read."""
        if words not in self.seen:
            self.seen[words] = frozenset(self.resource.fields) - hidden_fields(self.resource, words)
        return self.seen[words]

    # One document

    def item(self, id_: ObjectId, args: Args, caller: Caller, tags: Tags = None) -> Document:
        """Return the representation of one document, 404 where the caller may not read it."""
        require_method(self.resource, "GET", caller)
        asked = read_asked(self.resource, args, ITEM_PARAMETERS)
        document, parent = self.reads.with_parent(self.resource.name, id_, caller, tags)
        words = self.reads.words(self.resource, document, caller, parent)
        shown = self.represent(document, words, asked.fields)
        self.embed([shown], asked.embedded, caller, tags)
        self.reads.fetched("item", self.resource.name, shown)
        return shown

    def represent(
        self, document: Mapping[str, Any], words: frozenset[str], wanted: Iterable[str] | None = None
    ) -> Document:
        """Return what somebody with these words sees of a stored document, with its links."""
        visible = self.visible(words)
        if wanted is not None:
            visible = visible & (frozenset(wanted) | ALWAYS)
        shown = {name: value for name, value in document.items() if name in visible}
        shown["_links"] = self.links.of(document, words)
        return shown

    def show(self, document: Document, words: frozenset[str], asked: Asked, plain: bool) -> Document:
        """Return what somebody with these words sees of a listed document. It was read for this: it is reused."""
        if plain:
            return self.represent(document, words, asked.fields)
        links = self.links.rendered(document, words)
        for name in self.surplus(words):
            document.pop(name, None)
        document["_links"] = links
        return document

    def surplus(self, words: frozenset[str]) -> tuple[str, ...]:
        """Return the names that a list may have read, for owners or for links, and these words do not see."""
        if words not in self.unseen:
            self.unseen[words] = tuple(({*self.resource.fields} | self.links.needs) - self.visible(words))
        return self.unseen[words]

    # Lists

    def page(self, place: Place, args: Args, caller: Caller, tags: Tags = None) -> Document:
        """Return one page of a list as Eve's envelope, with links to the next and previous page."""
        require_method(self.resource, "GET", caller)
        asked = read_asked(self.resource, args, LIST_PARAMETERS)
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
        self.embed(items, asked.embedded, caller, tags)
        envelope = {
            "_items": items,
            "_links": self.page_links(place, args, ends),
            "_meta": {"max_results": asked.limit},
        }
        self.reads.fetched("resource", self.resource.name, envelope)
        return envelope

    def choose(self, place: Place, asked: Asked, caller: Caller) -> tuple[Query, dict[str, Any]]:
        """Pick the declared query that serves this request and build its full condition."""
        pins, owner = place.pins, self.resource.owner
        names = frozenset(asked.names | set(pins))
        declared = [q for q in self.resource.queries if asked.sort in (None, q.sort)]
        fitting = [query for query in declared if self.is_asked(query, place, asked)]
        if not fitting:
            raise Problem(400, "query_not_declared", allowed=allowed_queries(self.resource))
        for query in sorted(fitting, key=lambda q: ("owned", "hosted", "public", "all").index(q.view)):
            view = self.view_condition(query, place, asked, caller)
            if view is not None:
                return query, merge(
                    [part for part in (asked.where, place.pins_for(query.view), view) if part]
                )
        # Where nothing of others is offered, a list without a filter is of one's own.
        mine = next((query for query in fitting if query.view == "owned" and query.filter == names), None)
        if mine and caller.signed_in and owner and owner not in names and not asked.deleted:
            alive = {"deleted_at": None} if self.resource.keep_deleted else {}
            return mine, merge([part for part in (asked.where, pins, {owner: caller.id, **alive}) if part])
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
        alive: dict[str, Any] = {"deleted_at": None} if resource.keep_deleted else {}
        if asked.deleted:
            if not resource.keep_deleted or query.view != "owned":
                return None
            alive = {"deleted_at": {"$ne": None}}
        if query.view == "public":
            return {**as_query(resource.readable or {}), **alive}
        if query.view == "all":
            return alive if oversees(resource, caller) else None
        if not caller.signed_in:
            return None
        if query.view == "hosted":
            return alive if self.hosts(place, asked, caller) else None
        if asked.where.get(resource.owner or "") not in (None, caller.id):
            return None
        if self.owns_place(place, caller):
            return alive
        named = asked.deleted or resource.owner in asked.names or resource.readable is None
        return {str(resource.owner): caller.id, **alive} if named else None

    def owns_place(self, place: Place, caller: Caller) -> bool:
        """Tell whether everything in this place is the caller's, since its parent is."""
        via, mount, parent = self.resource.owner_via, place.mount, place.parent
        return bool(via and mount and parent and via[0] == mount.field and parent.get(via[1]) == caller.id)

    def hosts(self, place: Place, asked: Asked, caller: Caller) -> bool:
        """Tell whether the caller owns what this list belongs to, by its URL or by its filter."""
        field = self.resource.readable_with
        if field is None:
            return False
        above = self.reads.store.registry[self.resource.references[field]]
        if place.mount is not None and place.parent is not None and place.mount.field == field:
            return owns(above, place.parent, caller)
        named = asked.where.get(field)
        parent = self.reads.store.get(above.name, named) if isinstance(named, ObjectId) else None
        return parent is not None and owns(above, parent, caller)

    def view_words(self, view: str, caller: Caller) -> frozenset[str]:
        """Return what the caller is to every document of a view."""
        if view in ("owned", "hosted"):
            return words_of(caller) | {"owner" if view == "owned" else "host"}
        return words_of(caller) if view == "all" else words_of(caller) & {"anyone", "user"}

    def words_in_list(self, document: Document, words: frozenset[str], caller: Caller) -> frozenset[str]:
        """Add what the caller is to this one document, so that links and fields fit."""
        return words | {"owner"} if owns(self.resource, document, caller) else words

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
        for further, sort in steps:
            every = {"$and": [condition, further]} if further else condition
            cursor = self.reads.store.collection(self.resource.name).find(every, projection, sort=sort)
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
        query = {"_id": {"$in": list(ids)}, **query_by_link(parent, caller)}
        readable = {one["_id"] for one in self.reads.store.collection(parent.name).find(query, {"_id": 1})}
        return [one for one in found if one.get(field) in readable or owns(self.resource, one, caller)]

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

    # Embedding

    def embed(self, items: list[Document], names: Iterable[str], caller: Caller, tags: Tags = None) -> None:
        """Replace references by small documents: one query per relation, through the target's own policy."""
        for name in names:
            target = self.reads[self.resource.references[name]]
            ids = {one[name] for one in items if isinstance(one.get(name), ObjectId)}
            if tags is not None:
                tags |= {tag_of(target.resource.name, id_) for id_ in ids}
            found = target.cards(ids, self.resource.embeds[name], caller) if ids else {}
            for one in items:
                if one.get(name) in found:
                    one[name] = found[one[name]]

    def cards(self, ids: set[ObjectId], names: list[str], caller: Caller) -> dict[ObjectId, Document]:
        """Return the readable ones of these documents, reduced to `names`, by id."""
        query = {"_id": {"$in": list(ids)}, **query_by_link(self.resource, caller)}
        public = [name for name in names if self.resource.fields[name].public]
        found = self.reads.store.collection(self.resource.name).find(query, dict.fromkeys(public, 1))
        return {one["_id"]: {**one, "_links": {"self": self.links.to(one["_id"])}} for one in found}


def merge(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Join conditions; those that speak of the same field stand side by side in an `$and`."""
    merged: dict[str, Any] = {}
    for part in parts:
        if set(part) & set(merged):
            return {"$and": parts}
        merged.update(part)
    return merged


def with_query(path: str, args: Mapping[str, str]) -> str:
    """Return a path with its query string."""
    return f"{path}?{urlencode(args, quote_via=quote)}" if args else path
