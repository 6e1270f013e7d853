"""A write in flight: what hooks, Eve's data layer, its validator and the views tell each other of one write."""

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from machine.read.places import Place
from machine.write.idempotency import Held

Document = dict[str, Any]


@dataclass
class Write:
    """The write of the present request. Eve hands none of this on, so it lies in `g.write` (machine.current)."""

    # PATCH, PUT, DELETE: the document that was read and released for this write, which swaps on its ETag.
    original: Document | None = None
    # What the caller is to that document, or to the one that an action is about.
    words: frozenset[str] = frozenset()
    # POST: where the list stands to which something is added.
    place: Place | None = None
    # POST: the Idempotency-Key that this request holds.
    key: Held | None = None
    # PATCH, PUT: the document as it is after the write. POST: the documents that were inserted.
    after: Document = field(default_factory=dict)
    inserted: list[Document] = field(default_factory=list)
    # The outage of MongoDB that Eve has turned into an issue of a field.
    outage: Exception | None = None
    # Under which names the audit trail has what this request does to documents, with what else to say of it.
    deeds: dict[ObjectId, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def pinned(self) -> Set[str]:
        """Return the fields whose values the URL gives, which the caller need not be allowed to write."""
        return self.place.pins.keys() if self.place else frozenset()
