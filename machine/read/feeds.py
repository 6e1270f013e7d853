"""Pages of feeds and search: documents in an order that no declared query has, each with the reason it is there.

What a document shows, who may see it, how it is linked and what a page looks like is the read path's business; here is
only the order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from bson import ObjectId
from flask import request
from werkzeug.datastructures import MultiDict

from machine.access.rights import listed, require_method, words_in_public
from machine.current import g
from machine.declare.match import reach
from machine.edge.tags import list_tag, tag_of
from machine.http.route import noted_tags
from machine.read.cursor import Sort, beyond
from machine.read.documents import LONGEST_QUERY, Document
from machine.read.embedding import Known
from machine.read.page import HOME, ListUrl, PageRequest
from machine.read.query import Asked, bad, read_asked, require_known
from machine.read.reads import Reader, Reads

PARAMETERS = frozenset({"max_results", "cursor", "fields", "embedded"})
PAGE_PARAMETERS: tuple[dict[str, Any], ...] = (
    {"name": "max_results", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
    {"name": "cursor", "in": "query", "schema": {"type": "string"}},
    {"name": "fields", "in": "query", "schema": {"type": "string"}},
    {"name": "embedded", "in": "query", "schema": {"type": "string"}},
)
Entry = tuple[ObjectId, str]
Reason = Callable[[Document], str]


class Feed:
    """One request for a page of a feed. `scope` names the list, so that a cursor fits no other.

    `extra` are the parameters that the feed reads itself.
    """

    def __init__(
        self, reads: Reads, resource: str, scope: Mapping[str, Any], extra: frozenset[str] = frozenset()
    ) -> None:
        self.reader = reads[resource]
        self.resource = self.reader.resource
        require_method(self.resource, "GET", g.caller)
        self.asked = read_own(self.reader, extra)
        self.tags = noted_tags()
        self.wanted = PageRequest(self.asked, g.caller, words_in_public(g.caller), self.tags)
        self.url = ListUrl(request.path, dict(request.args.items()), "feed", HOME)
        text = repr((request.path, sorted(scope.items())))
        self.scope = blake2b(text.encode(), digest_size=16).digest()

    @property
    def listed(self) -> dict[str, Any]:
        """Return the filter of what everybody may find in lists."""
        return listed(self.resource)

    def position(self) -> list[Any] | None:
        """Return where the page before ended, None on the first page."""
        if not self.asked.cursor:
            return None
        direction, values = self.reader.cursors.read(self.asked.cursor, self.scope)
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
        embedded, embedding = self.asked.embedded, self.reader.embedding
        stages = [{"$match": match}, {"$project": self.projection()}, *embedding.joins(embedded, g.caller)]
        rows = list(self.collection().aggregate(stages, maxTimeMS=LONGEST_QUERY)) if entries else []
        known = embedding.take_joined(rows, embedded)
        found = {one["_id"]: one for one in rows}
        reasons = {id_: reason for id_, reason in entries}
        self.note(tag_of(self.resource.name, id_) for id_ in reasons)
        there = [id_ for id_, _ in entries if id_ in found]
        return self.page([found[id_] for id_ in there], [reasons[id_] for id_ in there], end, known)

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
        self.note([list_tag(self.resource.name, ())])

    def cut(self, rows: list[Document], sort: Sort, reason: Reason) -> Document:
        """Answer rows that were read one further than the page."""
        shown = rows[: self.asked.limit]
        end = [reach(shown[-1], name) for name, _ in sort] if len(rows) > self.asked.limit else None
        return self.page(shown, [reason(row) for row in shown], end)

    def page(
        self,
        found: list[Document],
        reasons: Sequence[str],
        end: Sequence[Any] | None,
        known: Known | None = None,
    ) -> Document:
        """Answer these documents, and where the next page begins."""
        self.note(tag_of(self.resource.name, document["_id"]) for document in found)
        cursors = {} if end is None else {"next": self.reader.cursors.make("n", end, self.scope)}
        return self.reader.build(found, self.wanted, self.url, cursors, known, reasons)

    def collection(self) -> Any:
        """Return the collection that the documents are in."""
        return self.reader.documents.store.collection(self.resource.name)

    def projection(self, sort: Sort = ()) -> dict[str, int]:
        """Return what must be read of each document."""
        keys = [name for name, _ in sort]
        return self.reader.representation.projection(self.wanted.words, self.asked.fields, keys)


def read_own(reader: Reader, extra: frozenset[str]) -> Asked:
    """Read the parameters that every feed takes; `extra` are those that this one reads itself."""
    require_known(request.args, PARAMETERS | extra)
    common = [(name, value) for name, value in request.args.items(multi=True) if name not in extra]
    return read_asked(reader.resource, MultiDict(common), PARAMETERS)
