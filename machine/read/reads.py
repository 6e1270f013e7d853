"""The one read path: lists and items of every resource, compiled once from its declaration.

Visibility is part of the query, never a check afterwards; so lists, items, sub-resources, embedded documents
and references share one truth. Whatever answers reads (the front, Flask's views, feeds) goes through `Reads`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId
from werkzeug.datastructures import MultiDict

from machine.access.caller import Caller
from machine.access.rights import has_scope, require_method
from machine.declare.match import reach
from machine.declare.resource import Query, Resource
from machine.edge.tags import tag_of, tag_of_list
from machine.read.cursor import Cursors, Sort, Step, flip, following, scope_of
from machine.read.documents import LONGEST_QUERY, Document, Documents, Tags
from machine.read.embedding import Embedding, Known
from machine.read.links import Links
from machine.read.page import HOME, ListUrl, PageRequest, list_page
from machine.read.parent_check import ParentCheck
from machine.read.places import Place, QueryChoice, merge
from machine.read.query import ITEM_PARAMETERS, LIST_PARAMETERS, read_after, read_asked
from machine.read.representation import Representation
from machine.write.store import Store

Args = MultiDict[str, str]


class Reads:
    """The readers of all resources, by name, and single documents."""

    def __init__(self, store: Store, secret: str) -> None:
        self.store = store
        self.documents = Documents(store)
        cursors = Cursors(secret)
        representations = {
            one.name: Representation(one, Links(one, store.registry)) for one in store.registry
        }
        checks = {one.name: ParentCheck(one, self.documents) for one in store.registry}
        self.readers = {
            one.name: Reader(
                self.documents,
                cursors,
                QueryChoice(one, store),
                checks[one.name],
                representations[one.name],
                Embedding(one, store, representations, checks),
            )
            for one in store.registry
        }

    def __getitem__(self, name: str) -> "Reader":
        return self.readers[name]

    def document(self, name: str, id_: ObjectId, caller: Caller, tags: Tags = None) -> Document:
        """Return a stored document that the caller may read by its link, else 404."""
        return self.documents.document(name, id_, caller, tags)

    def with_parent(
        self, name: str, id_: ObjectId, caller: Caller, tags: Tags = None
    ) -> tuple[Document, Document | None]:
        """Return a stored document that the caller may read by its link, and what it belongs to; else 404."""
        return self.documents.with_parent(name, id_, caller, tags)

    def words(
        self, resource: Resource, document: Document, caller: Caller, parent: Document | None
    ) -> frozenset[str]:
        """Return what the caller is to this document, given what it belongs to."""
        return self.documents.words(resource, document, caller, parent)

    def written(
        self, name: str, document: Document, caller: Caller, parent: Document | None = None
    ) -> Document:
        """Return what a caller is answered of a document just written. `parent`: what it belongs to, if read before."""
        resource, words = self.store.registry[name], frozenset[str]()
        if has_scope(resource, "GET", caller):
            parent = parent or self.documents.require_parent(resource, document, caller)
            words = self.documents.words(resource, document, caller, parent)
        return self[name].answer(document, words, caller)


class Reader:
    """Answers lists and items of one resource, by the parts that each own one question of it."""

    def __init__(
        self,
        documents: Documents,
        cursors: Cursors,
        choice: QueryChoice,
        check: ParentCheck,
        representation: Representation,
        embedding: Embedding,
    ) -> None:
        self.resource = representation.resource
        self.links = representation.links
        self.documents = documents
        self.cursors = cursors
        self.choice = choice
        self.check = check
        self.representation = representation
        self.embedding = embedding
        self.nullable = frozenset(name for name, field in self.resource.fields.items() if field.nullable)

    def represent(self, document: Mapping[str, Any], words: frozenset[str]) -> Document:
        """Return what somebody with these words sees of a stored document, with its links."""
        return self.representation.represent(document, words)

    def answer(self, document: Mapping[str, Any], words: frozenset[str], caller: Caller) -> Document:
        """Return what a caller is answered of a document just written."""
        return self.representation.answer(document, words, caller)

    def item(self, id_: ObjectId, args: Args, caller: Caller, tags: Tags = None) -> Document:
        """Return the representation of one document, 404 where the caller may not read it."""
        require_method(self.resource, "GET", caller)
        asked = read_asked(self.resource, args, ITEM_PARAMETERS)
        document, parent = self.documents.with_parent(self.resource.name, id_, caller, tags, naive=True)
        words = self.documents.words(self.resource, document, caller, parent)
        shown = self.representation.represent(document, words, asked.fields)
        self.embedding.embed([shown], asked.embedded, caller, tags)
        return shown

    def page(self, place: Place, args: Args, caller: Caller, tags: Tags = None) -> Document:
        """Return one page of a list as Eve's envelope, with links to the next and previous page."""
        require_method(self.resource, "GET", caller)
        asked = read_asked(self.resource, args, LIST_PARAMETERS)
        if place.mount and place.parent and place.mount.field == self.resource.readable_with:
            self.documents.require_open(self.resource, place.parent, caller)
        query, condition = self.choice.choose(place, asked, caller)
        if asked.after is not None:
            (name, way), *_ = query.sort
            bound = {name: {"$gt" if way > 0 else "$lt": read_after(self.resource, name, asked.after)}}
            condition = merge([condition, bound])
        scope = scope_of(self.resource.name, query.sort, condition)
        direction, position = self.cursors.read(asked.cursor, scope) if asked.cursor else ("n", None)
        direction, tied = direction[0], direction.endswith("t")
        sort = flip(query.sort) if direction == "p" else list(query.sort)
        steps = following(sort, position, self.nullable, tied) if position else [({}, sort)]
        wanted = PageRequest(asked, caller, self.choice.view_words(query.view, caller), tags)
        found = self.fetch(condition, steps, wanted)
        more, found = len(found) > asked.limit, found[: asked.limit]
        if direction == "p":
            found.reverse()
        cursors = self.neighbours(found, query, scope, direction, more, position is not None)
        if tags is not None:
            tags.add(tag_of_list(self.resource, {**asked.where, **place.pins}))
            tags |= {tag_of(self.resource.name, one["_id"]) for one in found}
        found = self.check.keep_readable(found, caller, tags, place)
        above, known = HOME, None
        if place.mount and place.parent:
            above = {"href": place.path.rsplit("/", 1)[0], "title": place.mount.parent}
            known = {place.mount.field: {place.parent["_id"]: place.parent}}
        url = ListUrl(place.path, dict(args.items()), self.resource.name, above)
        return self.build(found, wanted, url, cursors, known)

    def fetch(self, condition: dict[str, Any], steps: list[Step], wanted: PageRequest) -> list[Document]:
        """Read one page and one more document, so that the end of the list is known without a count.

        Each further step is asked only for what the ones before it have left to find.
        """
        limit, keys = wanted.asked.limit, [name for name, _ in steps[-1][1]]
        projection = self.representation.projection(wanted.words, wanted.asked.fields, keys)
        found: list[Document] = []
        rows = self.documents.store.collection(self.resource.name, naive=True)
        for further, sort in steps:
            every = {"$and": [condition, further]} if further else condition
            cursor = rows.find(every, projection, sort=sort)
            found += cursor.limit(limit + 1 - len(found)).max_time_ms(LONGEST_QUERY)
            if len(found) > limit:
                break
        return found

    def build(
        self,
        found: list[Document],
        wanted: PageRequest,
        url: ListUrl,
        cursors: Mapping[str, str],
        known: Known | None = None,
        reasons: Sequence[str] | None = None,
    ) -> Document:
        """Build a page of these documents, each with the reason it is there, where there are any.

        Without reasons and `fields` the documents are those that `fetch` has read, and are used up.
        """
        words, caller, shown = wanted.words, wanted.caller, self.representation
        if reasons is None and wanted.asked.fields is None:
            items = [shown.reuse(one, shown.words_in_list(one, words, caller)) for one in found]
        else:
            fields = wanted.asked.fields
            items = [shown.represent(one, shown.words_in_list(one, words, caller), fields) for one in found]
        for item, reason in zip(items, reasons or (), strict=reasons is not None):
            item["reason"] = reason
        self.embedding.embed(items, wanted.asked.embedded, caller, wanted.tags, known)
        return list_page(items, wanted.asked.limit, url, cursors)

    def neighbours(
        self, found: list[Document], query: Query, scope: bytes, direction: str, more: bool, inside: bool
    ) -> dict[str, str]:
        """Return the cursors of the neighbouring pages."""
        if not found:
            return {}
        ends, key = {}, query.sort[0][0]
        tied = "t" if key != "_id" and reach(found[0], key) == reach(found[-1], key) else ""
        if more or direction == "p":
            ends["next"] = self.cursor("n" + tied, found[-1], query.sort, scope)
        if (direction == "n" and inside) or (direction == "p" and more):
            ends["prev"] = self.cursor("p" + tied, found[0], query.sort, scope)
        return ends

    def cursor(self, direction: str, document: Document, sort: Sort, scope: bytes) -> str:
        """Make the cursor of a document's position."""
        return self.cursors.make(direction, [reach(document, name) for name, _ in sort], scope)
