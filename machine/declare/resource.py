"""A compiled resource: one declaration from schemas/, with every default filled in and every word resolved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from machine.declare import defaults
from machine.declare.match import matches, reach
from machine.declare.notice import Notice
from machine.text.kinds import folding_of
from machine.text.segments import index_words, word_fields

RANKS = ("anonymous", "user", "moderator", "admin")
META = {"_id": "objectid", "_created": "datetime", "_updated": "datetime", "_etag": "string"}
# Of which documents a list is: what everyone may read, one's own, those below something of one's own, or all.
VIEWS = ("public", "owned", "hosted", "all")
# What may become of a document when what it refers to is gone.
FATES = frozenset(("cascade", "orphan", "keep", "blank", "anonymize"))
WORDS = ("anyone", "user", "owner", "host", "moderator", "admin")


@dataclass(frozen=True)
class Field:
    """Who may read and write one field. `create` among the writers: its creator, only then."""

    name: str
    type: str
    read: frozenset[str]
    write: frozenset[str]
    # Whether it is personal as a whole, and if not, which of its parts are.
    pii: bool = False
    pii_parts: tuple[str, ...] = ()
    nullable: bool = True

    @property
    def public(self) -> bool:
        """Tell whether everyone may read it."""
        return "anyone" in self.read


@dataclass(frozen=True)
class Query:
    """A declared (filter, sort) pair. `view` says of which documents: what is public, one's own, or all."""

    filter: frozenset[str]
    sort: tuple[tuple[str, int], ...]
    view: str = "public"

    @property
    def sort_text(self) -> str:
        """Return the sort as clients write it."""
        return ",".join(("-" if way < 0 else "") + name for name, way in self.sort)


@dataclass(frozen=True)
class Count:
    """A counter on the document that field `of` refers to, raised by each document that satisfies `when`."""

    of: str
    counter: str
    when: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Memory:
    """What a state that interrupts another keeps of it in the field `into`: the state, and the fields `along`."""

    into: str
    along: tuple[str, ...]


@dataclass(frozen=True)
class States:
    """The states of one field: where it starts, the legal moves and who makes them, and the deadlines."""

    field: str
    start: str
    moves: Mapping[str, Mapping[str, tuple[str, ...]]]
    deadlines: Mapping[str, Mapping[str, Any]]
    # What every document in a state satisfies, by state.
    invariants: Mapping[str, Mapping[str, Any]]
    remembers: Mapping[str, Memory]

    def sources(self, to: str) -> list[str]:
        """Return the states from which `to` is legal; one that interrupted another is left by `resume` alone."""
        return [
            source for source, moves in self.moves.items() if to in moves and source not in self.remembers
        ]

    def ways_back(self, document: Mapping[str, Any]) -> list[str]:
        """Return the one state that an interrupted document may go back to: that in which it was.

        Where that is not known, or lacks what it needs, it is the first that lacks nothing.
        """
        present = document[self.field]
        kept = reach(document, f"{self.remembers[present].into}.{self.field}")
        ahead = sorted(self.moves.get(present, {}), key=lambda state: state != kept)
        return [state for state in ahead if matches(document, self.invariants.get(state, {}))][:1]


@dataclass(frozen=True)
class Action:
    """A named act on one document: who may do it, and in which states it is legal."""

    name: str
    method: str
    title: str
    who: frozenset[str]
    when: Mapping[str, Any]
    path: str

    @property
    def on_deleted(self) -> bool:
        """Tell whether it is meant for deleted documents."""
        return "deleted_at" in self.when


@dataclass(frozen=True)
class Mount:
    """A sub-resource URL: `url` holds the reference `field` in braces; `filter` narrows the list further."""

    field: str
    url: str
    filter: Mapping[str, Any]
    parent: str

    @property
    def segment(self) -> str:
        """Return the last part of the URL, which is also the name of the link on the parent."""
        return self.url.rsplit("/", 1)[1]


@dataclass(frozen=True)
class Unique:
    """Fields that are unique together, the reason of a clash, and the field that the client knows them by."""

    fields: tuple[str, ...]
    reason: str
    shown: str


@dataclass(frozen=True)
class ToldReference:
    """A reference whose resource another field of the document tells: `by` its value, `of` these."""

    by: str
    of: Mapping[str, str]


@dataclass(frozen=True)
class Index:
    """An index and the key of the declaration that it comes from.

    One that is derived has a `usual` name unless it is given another, and serves equality on its first `fixed` keys.
    """

    name: str
    keys: list[tuple[str, Any]]
    options: Mapping[str, Any]
    source: str
    usual: str = ""
    fixed: int = 0

    @property
    def comes_from(self) -> str:
        """Return the key of the file that it comes from."""
        if self.source == "mongo_indexes":
            return f"mongo_indexes.{self.name}"
        return self.source if self.source == "resource_methods" else f"policy.{self.source}"


@dataclass
class Resource:
    """Everything the machine knows about one resource."""

    name: str
    definition: dict[str, Any]
    fields: dict[str, Field]
    references: dict[str, str]
    told_references: dict[str, "ToldReference"]
    owner: str | None
    owner_via: tuple[str, str] | None
    people_only: bool
    about: str | None
    roles: dict[str, frozenset[str]]
    overseers: frozenset[str]
    readable: dict[str, Any] | None
    readable_by_link: dict[str, Any] | None
    readable_with: str | None
    readable_while: dict[str, Any]
    queries: list[Query]
    embeds: dict[str, list[str]]
    counts: list[Count]
    states: dict[str, States]
    stamps: dict[str, dict[str, Any]]
    actions: dict[str, Action]
    mounts: list[Mount]
    unique: list[Unique]
    folded: dict[str, str]
    searched: dict[str, int]
    on_parent_delete: dict[str, str]
    beside: dict[str, str]
    keep_deleted: str | None
    cache: float
    rate: str | None
    events: frozenset[str]
    notices: list[Notice]
    start_values: dict[str, Any]
    indexes: list[Index]

    @property
    def schema(self) -> dict[str, Any]:
        """Return the Cerberus schema as declared."""
        schema: dict[str, Any] = self.definition["schema"]
        return schema

    @property
    def methods(self) -> tuple[list[str], list[str]]:
        """Return the methods of the list and of the item."""
        return defaults.methods(self.definition)

    @property
    def watched(self) -> set[str]:
        """Return the fields on which it depends who may see a document and who is told of it, or of its end."""
        filters = [self.readable or {}, self.readable_by_link or {}, *(one.when for one in self.notices)]
        people = {one.to for one in self.notices if isinstance(one.to, str)}
        shown = {path.split(".")[0] for one in filters for path in one}
        return (shown | people | {"deleted_at", *self.states, *self.references}) & set(self.fields)

    @property
    def personal(self) -> list[str]:
        """Return the paths of everything that is somebody's personal data."""
        return [
            path
            for name, one in self.fields.items()
            for path in ([name] if one.pii else [f"{name}.{part}" for part in one.pii_parts])
        ]

    def targets(self, field: str) -> list[str]:
        """Return every resource that a reference may lead to."""
        if field in self.references:
            return [self.references[field]]
        return list(self.told_references[field].of.values())

    def target_of(self, field: str, document: Mapping[str, Any]) -> str:
        """Return the resource that the reference of this document leads to."""
        if field in self.references:
            return self.references[field]
        told = self.told_references[field]
        return told.of[document[told.by]]

    def only_to(self, field: str, target: str) -> dict[str, Any]:
        """Return the filter of the documents whose reference leads to that resource."""
        if field in self.references:
            return {}
        told = self.told_references[field]
        return {told.by: next(value for value, name in told.of.items() if name == target)}

    def folded_copies(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is kept beside those fields that the document holds: as it is compared, and as it is found."""
        folded = {
            key: self.fold(shown, document[shown]) for key, shown in self.folded.items() if shown in document
        }
        found = {
            key: index_words(document[name]) for name, key in self.word_fields.items() if name in document
        }
        return {**folded, **found}

    @cached_property
    def word_fields(self) -> dict[str, str]:
        """Return of each searched field the one beside it, for words that an index does not find by itself."""
        return word_fields(self.schema, self.searched)

    def copies_of(self, names: Iterable[str]) -> list[str]:
        """Return the fields that go where these go."""
        gone = set(names)
        kept = [
            *((key, shown) for key, shown in self.folded.items()),
            *((k, n) for n, k in self.word_fields.items()),
        ]
        return [key for key, shown in kept if shown in gone]

    def fold(self, name: str, value: Any) -> Any:
        """Return what is compared of a field: of a text its folded form, of a list that of each text, once; or None."""
        folding = folding_of(self.schema[name])
        if isinstance(value, list):
            return list(dict.fromkeys(folding(one) for one in value if isinstance(one, str)))
        return folding(value) if isinstance(value, str) else None


def read_sort(text: str) -> tuple[tuple[str, int], ...]:
    """Read `-published_at,_id`; the id is added as the last key, in the way of the one before it."""
    keys = [(word.strip().lstrip("-"), -1 if word.strip().startswith("-") else 1) for word in text.split(",")]
    if keys[-1][0] != "_id":
        keys.append(("_id", keys[-1][1]))
    return tuple(keys)
