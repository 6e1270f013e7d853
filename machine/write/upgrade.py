"""Brings documents that an older version wrote to what this one expects; `python run.py db migrate` does it.

Each step may be run again, stopped at any point, and run while the API serves: it writes only what is absent.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from machine.declare.match import as_query
from machine.declare.resource import Resource
from machine.text.languages import as_language
from machine.write.store import Store

LOT = 1000


Step = Callable[[Store], int]
STEPS: list[Step] = []


def upgrade(step: Step) -> Step:
    """Register a step of one feature, for the shape that a resource had once; it returns how many it changed."""
    STEPS.append(step)
    return step


def upgrade_documents(store: Store) -> int:
    """Do every step; return how many documents were changed."""
    filled = sum(
        fill_folded(store, resource) + fill_stamps(store, resource) + fold_languages(store, resource)
        for resource in store.registry
    )
    return filled + sum(step(store) for step in STEPS) + owe_departures(store)


def fill_folded(store: Store, resource: Resource) -> int:
    """Add the case-folded copies that a resource has learned to keep."""
    changed = 0
    for key, shown in resource.folded.items():
        absent = {key: {"$exists": False}, shown: {"$type": "string"}}
        found = store.collection(resource.name).find(absent, {shown: 1})
        for lot in lots(found):
            updates = [
                # Where the text has changed meanwhile, its copy was written with it.
                UpdateOne(
                    {"_id": one["_id"], **absent, shown: one[shown]}, {"$set": resource.folded_copies(one)}
                )
                for one in lot
            ]
            changed += store.collection(resource.name).bulk_write(updates, ordered=False).modified_count
    return changed


def fill_stamps(store: Store, resource: Resource) -> int:
    """Stamp what has satisfied the filter of a stamp without it, with its last change: it was no later than that."""
    changed = 0
    for field, wanted in resource.stamps.items():
        absent = {**as_query(wanted), field: None}
        for one in store.collection(resource.name).find(absent, {"_updated": 1}):
            match = {**absent, "_id": one["_id"]}
            changed += store.change(resource.name, match, set={field: one["_updated"]}) is not None
    return changed


def fold_languages(store: Store, resource: Resource) -> int:
    """Write tags of languages as new ones are written; one that would then be the second of its kind stays."""
    changed, collection = 0, store.collection(resource.name)
    for field in (name for name, rules in resource.schema.items() if rules.get("coerce") == "language"):
        for tag in collection.distinct(field, {field: {"$type": "string"}}):
            for one in collection.find({field: tag}, {"_id": 1}) if as_language(tag) != tag else ():
                with suppress(DuplicateKeyError):
                    same = {"_id": one["_id"], field: tag}
                    changed += collection.update_one(same, {"$set": {field: as_language(tag)}}).modified_count
    return changed


def owe_departures(store: Store) -> int:
    """Record the cascade again for accounts deleted when less was erased than today; return how many."""
    gone = {
        (resource.references[field], id_)
        for resource in store.registry
        for field, fate in resource.on_parent_delete.items()
        if fate in ("blank", "anonymize") and field in resource.references
        for id_ in the_gone(store, resource, field)
    }
    for left, id_ in gone:
        subject = {"resource": left, "id": id_}
        store.services.jobs.record("cascade", subject, f"cascade:{left}:{id_}:again")
    return len(gone)


def the_gone(store: Store, resource: Resource, field: str) -> list[Any]:
    """Return the ids that documents refer to and that are no longer there, where something personal is left."""
    personal = {"$or": [{path: {"$ne": None}} for path in resource.personal]}
    stages: list[dict[str, Any]] = [
        {"$match": {field: {"$ne": None}, **personal}},
        {"$group": {"_id": f"${field}"}},
        {"$lookup": {"from": resource.references[field], "localField": "_id", "foreignField": "_id", "as": "of",
                     "pipeline": [{"$project": {"_id": 1}}]}},
        {"$match": {"of": []}},
    ]  # fmt: skip
    return [one["_id"] for one in store.collection(resource.name).aggregate(stages)]


def lots(found: Any) -> Iterator[list[dict[str, Any]]]:
    """Cut what a query finds into lots."""
    while lot := list(islice(found, LOT)):
        yield lot
