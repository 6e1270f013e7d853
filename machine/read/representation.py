"""What a caller sees of a document: the fields for their role and relation, and its links."""

from collections.abc import Iterable, Mapping
from typing import Any

from machine.access.caller import Caller
from machine.access.rights import has_scope, hidden_fields, owns
from machine.declare.resource import META, Resource
from machine.read.documents import Document
from machine.read.links import Links

ALWAYS = frozenset(META)


class Representation:
    """Represents the documents of one resource."""

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

    def reuse(self, document: Document, words: frozenset[str]) -> Document:
        """Turn a document that was read for a list into what somebody with these words sees of it."""
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

    def words_in_list(
        self, document: Mapping[str, Any], words: frozenset[str], caller: Caller
    ) -> frozenset[str]:
        """Add what the caller is to this one document, so that links and fields fit."""
        return words | {"owner"} if caller.signed_in and owns(self.resource, document, caller) else words

    def projection(
        self, words: frozenset[str], fields: frozenset[str] | None, keys: Iterable[str] = ()
    ) -> dict[str, int]:
        """Return what must be read of each document of a list; `fields`: those that are asked for, `keys`: of its sort.

        Some may be the caller's own, and then show more, whatever the caller is to all of them.
        """
        names = self.visible(words | {"owner"} if "user" in words else words)
        if fields is not None:
            names = names & (fields | ALWAYS)
        return dict.fromkeys({*names, *self.links.needs, *(key.split(".")[0] for key in keys)}, 1)

    def card(self, document: Document, names: list[str]) -> Document:
        """Return a document reduced to those of `names` that everyone may read, with its own link."""
        shown = {"_id": document["_id"]}
        shown |= {
            name: document[name] for name in names if name in document and self.resource.fields[name].public
        }
        return {**shown, "_links": {"self": self.links.to(document["_id"])}}
