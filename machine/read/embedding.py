"""Puts small documents in the place of references, through the policy of the resource that they lead to."""

from collections.abc import Iterable, Mapping
from typing import Any

from bson import ObjectId

from machine.access.caller import Caller
from machine.access.rights import query_by_link
from machine.declare.resource import Resource
from machine.edge.tags import tag_of
from machine.read.documents import Document, Tags
from machine.read.parent_check import ParentCheck
from machine.read.representation import Representation
from machine.write.store import Store

# By reference: the documents that it leads to, by id.
Known = Mapping[str, Mapping[ObjectId, Document]]
JOINED = "_joined_"


class Embedding:
    """Embeds in the documents of one resource. `representations` and `checks` are those of every resource."""

    def __init__(
        self,
        resource: Resource,
        store: Store,
        representations: Mapping[str, Representation],
        checks: Mapping[str, ParentCheck],
    ) -> None:
        self.resource = resource
        self.store = store
        self.representations = representations
        self.checks = checks

    def embed(
        self,
        items: list[Document],
        names: Iterable[str],
        caller: Caller,
        tags: Tags = None,
        known: Known | None = None,
    ) -> None:
        """Replace references by small documents: one query per resource that they lead to.

        `known` has, by reference, all that it leads to and may be read, if that has been read before.
        """
        leading: dict[str, list[str]] = {}
        for name in names:
            leading.setdefault(self.resource.references[name], []).append(name)
        for target, relations in leading.items():
            self.embed_from(self.representations[target], relations, items, caller, tags, known or {})

    def embed_from(
        self,
        target: Representation,
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
            found |= self.readable_among(target.resource, ids, wanted, caller, tags)
        for name in relations:
            cards = {id_: target.card(one, self.resource.embeds[name]) for id_, one in found.items()}
            for item in items:
                id_ = item.get(name)
                if isinstance(id_, ObjectId):
                    # The hash of an id is computed in Python: it is looked up once.
                    item[name] = cards.get(id_, id_)

    def readable_among(
        self, target: Resource, ids: set[ObjectId], names: Iterable[str], caller: Caller, tags: Tags
    ) -> dict[ObjectId, Document]:
        """Return `names` of those of a resource's documents that the caller may read, by id."""
        query = {"_id": {"$in": list(ids)}, **query_by_link(target, caller)}
        above = [target.readable_with, target.owner] if target.readable_with else []
        shown = dict.fromkeys([*names, *filter(None, above)], 1)
        rows = list(self.store.collection(target.name).find(query, shown))
        if above:
            rows = self.checks[target.name].keep_readable(rows, caller, tags)
        return {one["_id"]: one for one in rows}

    def joins(self, names: Iterable[str], caller: Caller) -> list[dict[str, Any]]:
        """Return the stages that read what is embedded along with the documents, each below `JOINED` and its name."""
        stages = []
        for name in self.joined(names):
            target = self.target_of(name)
            shown = dict.fromkeys(self.resource.embeds[name], 1)
            pipeline = [{"$match": query_by_link(target, caller)}, {"$project": shown}]
            join = {"from": target.name, "localField": name, "foreignField": "_id", "pipeline": pipeline}
            stages.append({"$lookup": {**join, "as": JOINED + name}})
        return stages

    def take_joined(self, rows: Iterable[Document], names: Iterable[str]) -> Known:
        """Take out of the documents what was read along with them, as `embed` wants to have it known."""
        return {
            name: {one["_id"]: one for row in rows for one in row.pop(JOINED + name)}
            for name in self.joined(names)
        }

    def joined(self, names: Iterable[str]) -> list[str]:
        """Return the references that can be read along. Who may read what has a parent is another query."""
        return [name for name in names if not self.target_of(name).readable_with]

    def target_of(self, name: str) -> Resource:
        """Return the resource that a reference leads to."""
        return self.representations[self.resource.references[name]].resource


def referred(items: Iterable[Document], names: Iterable[str]) -> set[ObjectId]:
    """Return every id that these references of the documents hold."""
    return {id_ for name in names for one in items if isinstance(id_ := one.get(name), ObjectId)}
