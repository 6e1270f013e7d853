"""What a caller sees of a document: the fields for their role and relation, links, and what is embedded."""

from collections.abc import Iterable, Mapping
from typing import Any

from bson import ObjectId

from machine.access.caller import Caller
from machine.access.rights import has_scope, hidden_fields, owns, query_by_link
from machine.declare.resource import META, Resource
from machine.edge.tags import tag_of
from machine.read.documents import Document, Tags
from machine.read.links import Links
from machine.read.places import Place
from machine.read.query import Asked

ALWAYS = frozenset(META)
# By reference: the documents that it leads to, by id.
Known = Mapping[str, Mapping[ObjectId, Document]]
JOINED = "_joined_"


class Representation:
    """Represents the documents of one resource."""

    reads: Any

    def __init__(self, resource: Resource, links: Links) -> None:
        self.resource = resource
        self.links = links
        self.seen: dict[frozenset[str], frozenset[str]] = {}
        self.unseen: dict[frozenset[str], tuple[str, ...]] = {}

    def visible(self, words: frozenset[str]) -> frozenset[str]:
        """Return the names of the fields that somebody with these words may read."""
        if words not in self.seen:
            self.seen[words] = frozenset(self.resource.fields) - hidden_fields(self.resource, words)
        return self.seen[words]

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

    def answer(self, document: Mapping[str, Any], words: frozenset[str], caller: Caller) -> Document:
        """Return what a caller is answered of a document just written: of one that a key may not read, just which."""
        if has_scope(self.resource, "GET", caller):
            return self.represent(document, words)
        named = {name: document[name] for name in META if name in document}
        return {**named, "_links": {"self": self.links.to(document["_id"])}}

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

    def words_in_list(self, document: Document, words: frozenset[str], caller: Caller) -> frozenset[str]:
        """Add what the caller is to this one document, so that links and fields fit."""
        return words | {"owner"} if caller.signed_in and owns(self.resource, document, caller) else words

    def embed(
        self,
        items: list[Document],
        names: Iterable[str],
        caller: Caller,
        tags: Tags = None,
        known: Known | None = None,
    ) -> None:
        """Replace references by small documents: one query per resource they lead to, through its own policy.

        `known` has, by reference, all that it leads to and may be read, if that has been read before.
        """
        leading: dict[str, list[str]] = {}
        for name in names:
            leading.setdefault(self.resource.references[name], []).append(name)
        for target, relations in leading.items():
            self.embed_from(self.reads[target], relations, items, caller, tags, known or {})

    def embed_from(
        self,
        target: "Representation",
        relations: list[str],
        items: list[Document],
        caller: Caller,
        tags: Tags,
        known: Known,
    ) -> None:
        """Replace the references that lead to one resource."""
        found = {id_: one for name in relations for id_, one in known.get(name, {}).items()}
        if tags is not None:
            tags |= {tag_of(target.resource.name, id_) for id_ in referred(items, relations)}
        unknown = [name for name in relations if name not in known]
        ids = referred(items, unknown) - set(found)
        if ids:
            wanted = {field for name in unknown for field in self.resource.embeds[name]}
            found |= target.readable_among(ids, wanted, caller, tags)
        for name in relations:
            cards = {id_: target.card(one, self.resource.embeds[name]) for id_, one in found.items()}
            for item in items:
                id_ = item.get(name)
                if isinstance(id_, ObjectId):
                    # The hash of an id is computed in Python: it is looked up once.
                    item[name] = cards.get(id_, id_)

    def readable_among(
        self, ids: set[ObjectId], names: Iterable[str], caller: Caller, tags: Tags = None
    ) -> dict[ObjectId, Document]:
        """Return `names` of those of these documents that the caller may read, by id."""
        query = {"_id": {"$in": list(ids)}, **query_by_link(self.resource, caller)}
        above = [self.resource.readable_with, self.resource.owner] if self.resource.readable_with else []
        shown = dict.fromkeys([*names, *filter(None, above)], 1)
        rows = list(self.reads.store.collection(self.resource.name).find(query, shown))
        if above:
            rows = self.reads[self.resource.name].drop_unreadable(rows, Place(""), caller, tags)
        return {one["_id"]: one for one in rows}

    def joins(self, names: Iterable[str], caller: Caller) -> list[dict[str, Any]]:
        """Return the stages that read what is embedded along with the documents, each below `JOINED` and its name."""
        stages = []
        for name in names:
            target: Resource = self.reads[self.resource.references[name]].resource
            if target.readable_with:
                # Whether that may be read is another query: `embed` asks for both.
                continue
            shown = dict.fromkeys(self.resource.embeds[name], 1)
            pipeline = [{"$match": query_by_link(target, caller)}, {"$project": shown}]
            join = {"from": target.name, "localField": name, "foreignField": "_id", "pipeline": pipeline}
            stages.append({"$lookup": {**join, "as": JOINED + name}})
        return stages

    def take_joined(self, rows: Iterable[Document], names: Iterable[str]) -> Known:
        """Take out of the documents what was read along with them, as `embed` wants to have it known."""
        joined = [
            name for name in names if not self.reads[self.resource.references[name]].resource.readable_with
        ]
        return {name: {one["_id"]: one for row in rows for one in row.pop(JOINED + name)} for name in joined}

    def card(self, document: Document, names: list[str]) -> Document:
        """Return a document reduced to those of `names` that everyone may read, with its own link."""
        shown = {"_id": document["_id"]}
        shown |= {
            name: document[name] for name in names if name in document and self.resource.fields[name].public
        }
        return {**shown, "_links": {"self": self.links.to(document["_id"])}}


def referred(items: Iterable[Document], names: Iterable[str]) -> set[ObjectId]:
    """Return every id that these references of the documents hold."""
    return {id_ for name in names for one in items if isinstance(id_ := one.get(name), ObjectId)}
