"""What a caller sees of a document: the fields for his words, its links, and what he asked to have embedded."""

from collections.abc import Iterable, Mapping
from typing import Any

from bson import ObjectId

from api.documents import Document, Tags
from api.links import Links
from api.query import Asked
from policy.access import hidden_fields, owns, query_by_link
from policy.caller import Caller
from policy.resource import META, Resource
from policy.tags import tag_of

ALWAYS = frozenset(META)


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
        above: Mapping[str, Document] | None = None,
    ) -> None:
        """Replace references by small documents: one query per relation, through the target's own policy.

        `above`, by reference, is what the list stands below: it has been read and may be read, so it is not read again.
        """
        for name in names:
            target = self.reads[self.resource.references[name]]
            ids = {one[name] for one in items if isinstance(one.get(name), ObjectId)}
            if tags is not None:
                tags |= {tag_of(target.resource.name, id_) for id_ in ids}
            if above and name in above:
                found = {above[name]["_id"]: target.card(above[name], self.resource.embeds[name])}
            else:
                found = target.cards(ids, self.resource.embeds[name], caller) if ids else {}
            for one in items:
                if one.get(name) in found:
                    one[name] = found[one[name]]

    def cards(self, ids: set[ObjectId], names: list[str], caller: Caller) -> dict[ObjectId, Document]:
        """Return the readable ones of these documents, reduced to `names`, by id."""
        query = {"_id": {"$in": list(ids)}, **query_by_link(self.resource, caller)}
        found = self.reads.store.collection(self.resource.name).find(query, dict.fromkeys(names, 1))
        return {one["_id"]: self.card(one, names) for one in found}

    def card(self, document: Document, names: list[str]) -> Document:
        """Return a document reduced to those of `names` that everyone may read, with its own link."""
        shown = {"_id": document["_id"]}
        shown |= {
            name: document[name] for name in names if name in document and self.resource.fields[name].public
        }
        return {**shown, "_links": {"self": self.links.to(document["_id"])}}
