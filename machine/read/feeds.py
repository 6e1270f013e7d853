"""Pages of feeds and search: documents in an order that no declared query has, each with the reason it is there.

What a document shows, who may see it and how it is linked is the read path's business; here is only the order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from bson import ObjectId
from flask import request
from werkzeug.datastructures import MultiDict

from machine.access.rights import require_method, words_of
from machine.current import app, g
from machine.declare.match import as_query, reach
from machine.edge.tags import list_tag, tag_of
from machine.http.route import noted_tags
from machine.read.cursor import beyond
from machine.read.documents import LONGEST_QUERY, Document
from machine.read.query import Asked, bad, read_asked
from machine.read.reads import Reader, Reads, with_query
from machine.read.representation import Known
from settings import PREFIX

PARAMETERS = frozenset({"max_results", "cursor", "fields", "embedded"})
PAGE_PARAMETERS: tuple[dict[str, Any], ...] = (
    {"name": "max_results", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
    {"name": "cursor", "in": "query", "schema": {"type": "string"}},
    {"name": "fields", "in": "query", "schema": {"type": "string"}},
    {"name": "embedded", "in": "query", "schema": {"type": "string"}},
)
Sort = Sequence[tuple[str, int]]
Entry = tuple[ObjectId, str]
Reason = Callable[[Document], str]


class Feed:
    """One request for a page of a feed. `scope` names the list, so that a cursor fits no other."""

    def __init__(self, resource: str, scope: Mapping[str, Any], extra: frozenset[str] = frozenset()) -> None:
        self.reads: Reads = app().reads
        self.reader: Reader = self.reads[resource]
        require_method(self.reader.resource, "GET", g.caller)
        self.asked: Asked = read_own(self.reader, extra)
        text = repr((request.path, sorted(scope.items())))
        self.scope = blake2b(text.encode(), digest_size=16).digest()
        self.words = words_of(g.caller) & {"anyone", "user"}
        self.tags = noted_tags()

    @property
    def listed(self) -> dict[str, Any]:
        """Return the filter of what everyone may find in lists."""
        return listed(self.reader)

    def position(self) -> list[Any] | None:
        """Return where the page before ended, None on the first page."""
        if not self.asked.cursor:
            return None
        direction, values, *_ = self.reads.cursors.read(self.asked.cursor, self.scope)
        if direction != "n":
            raise bad("The cursor is not valid for this list.")
        return values

    def ranked(
        self, entries: Sequence[Entry], end: Sequence[Any] | None, readable: Mapping[str, Any] | None = None
    ) -> Document:
        """Answer documents in a given order, without those no longer `readable` (listed). `end`: where to go on."""
        match = {
            "_id": {"$in": [id_ for id_, _ in entries]},
            **(self.listed if readable is None else readable),
        }
        # The ranking has cost commands; so what is embedded comes with the documents.
        embedded = self.asked.embedded
        stages = [{"$match": match}, {"$project": self.projection()}, *self.reader.joins(embedded, g.caller)]
        rows = list(self.collection().aggregate(stages, maxTimeMS=LONGEST_QUERY)) if entries else []
        known = self.reader.take_joined(rows, embedded)
        found = {one["_id"]: one for one in rows}
        reasons = {id_: reason for id_, reason in entries}
        self.note(tag_of(self.reader.resource.name, id_) for id_ in reasons)
        return self.envelope([(found[id_], reasons[id_]) for id_, _ in entries if id_ in found], end, known)

    def sorted(self, condition: Mapping[str, Any], sort: Sort, reason: Reason) -> Document:
        """Answer a page of one indexed query by its keys."""
        match: dict[str, Any] = {**self.listed, **condition}
        position = self.position()
        if position:
            match = {"$and": [match, beyond(sort, position, frozenset())]}
        rows = (
            self.collection().find(match, self.projection(sort), sort=list(sort)).limit(self.asked.limit + 1)
        )
        self.note_whole_list()
        return self.cut(list(rows.max_time_ms(LONGEST_QUERY)), sort, reason)

    def note(self, tags: Iterable[str]) -> None:
        """Note what the page is built from, where it is kept."""
        if self.tags is not None:
            self.tags |= set(tags)

    def note_whole_list(self) -> None:
        """Note that any new or changed document may belong on the page."""
        self.note([list_tag(self.reader.resource.name, ())])

    def cut(self, rows: list[Document], sort: Sort, reason: Reason) -> Document:
        """Answer rows that were read one further than the page."""
        page = rows[: self.asked.limit]
        end = [reach(page[-1], name) for name, _ in sort] if len(rows) > self.asked.limit else None
        return self.envelope([(row, reason(row)) for row in page], end)

    def envelope(
        self, found: Sequence[tuple[Document, str]], end: Sequence[Any] | None, known: Known | None = None
    ) -> Document:
        """Return the list envelope."""
        items = []
        for document, reason in found:
            words = self.reader.words_in_list(document, self.words, g.caller)
            shown = self.reader.represent(document, words, self.asked.fields)
            shown["reason"] = reason
            items.append(shown)
        self.note(tag_of(self.reader.resource.name, document["_id"]) for document, _ in found)
        self.reader.embed(items, self.asked.embedded, g.caller, self.tags, known)
        links: Document = {
            "self": {"href": with_query(request.path, dict(request.args.items())), "title": "feed"},
            "parent": {"href": f"{PREFIX}/", "title": "home"},
        }
        if end is not None:
            args = {name: value for name, value in request.args.items() if name != "cursor"}
            token = self.reads.cursors.make("n", list(end), self.scope)
            links["next"] = {
                "href": with_query(request.path, {**args, "cursor": token}),
                "title": "next page",
            }
        return {"_items": items, "_links": links, "_meta": {"max_results": self.asked.limit}}

    def collection(self) -> Any:
        """Return the collection that the documents are in."""
        return self.reads.store.collection(self.reader.resource.name)

    def projection(self, sort: Sort = ()) -> dict[str, int]:
        """Return what must be read of each document."""
        names = self.reader.visible(self.words | {"owner"} if g.caller.signed_in else self.words)
        if self.asked.fields is not None:
            names = names & (self.asked.fields | {"_id", "_etag", "_created", "_updated"})
        return dict.fromkeys({*names, *self.reader.links.needs, *(name.split(".")[0] for name, _ in sort)}, 1)


def read_own(reader: Reader, extra: frozenset[str]) -> Asked:
    """Read the parameters that every feed takes; `extra` are those that this one reads itself."""
    for name in extra:
        if len(request.args.getlist(name)) > 1:
            raise bad(f"The parameter {name!r} is given more than once.")
    for name in request.args:
        if name not in PARAMETERS | extra:
            raise bad(f"Unknown parameter {name[:40]!r}.", allowed=sorted(PARAMETERS | extra))
    common = [(name, value) for name, value in request.args.items(multi=True) if name not in extra]
    return read_asked(reader.resource, MultiDict(common), PARAMETERS)


def listed(reader: Reader) -> dict[str, Any]:
    """Return the filter of what everyone may find in lists of a resource."""
    resource = reader.resource
    alive = {"deleted_at": None} if resource.keep_deleted else {}
    return {**as_query(resource.readable or {}), **alive}
