"""Brings documents that an older version wrote to what this one expects; `python run.py db migrate` does it.

Each step may be run again, stopped at any point, and run while the API serves: it writes only what is absent.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from machine.declare.match import as_query
from machine.declare.resource import Resource
from machine.text.languages import as_language
from machine.text.segments import index_words
from machine.write.store import Store

log = logging.getLogger(__name__)
LOT = 1000
# The code of MongoDB for what a unique index refuses.
DUPLICATE = 11000


Step = Callable[[Store], int]
STEPS: list[Step] = []


def upgrade(step: Step) -> Step:
    """Register a step of one feature, for the shape that a resource had once; it returns how many it changed."""
    STEPS.append(step)
    return step


def upgrade_documents(store: Store) -> int:
    """Do every step; return how many documents were changed."""
    filled = sum(
        fill_folded(store, resource)
        + renew_folded(store, resource)
        + fill_words(store, resource)
        + fill_stamps(store, resource)
        + fold_languages(store, resource)
        for resource in store.registry
    )
    return filled + sum(step(store) for step in STEPS) + owe_departures(store)


def fill_folded(store: Store, resource: Resource) -> int:
    """Add the folded copies that a resource has learned to keep."""
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


def renew_folded(store: Store, resource: Resource) -> int:
    """Fold again what an older version folded otherwise: letters beyond ASCII, and spaces that nobody sees.

    Of two documents that are one by what must be unique only now, the second is named and left.
    """
    changed = 0
    for key, shown in resource.folded.items():
        odd = {key: {"$exists": True}, shown: {"$regex": r"[^\x00-\x7f]|\s\s|^\s|\s$"}}
        for lot in lots(store.collection(resource.name).find(odd, {shown: 1, key: 1})):
            updates = [
                # Where the text has changed meanwhile, its copy was written with it.
                UpdateOne(one, {"$set": {key: copy}})
                for one in lot
                if (copy := resource.fold(shown, one[shown])) != one[key]
            ]
            if updates:
                changed += write_apart(store.collection(resource.name), updates)
    return changed


def write_apart(collection: Any, updates: list[UpdateOne]) -> int:
    """Do the updates that make no clash, and log the ids of the others; return how many were made."""
    try:
        return int(collection.bulk_write(updates, ordered=False).modified_count)
    except BulkWriteError as error:
        failed = error.details["writeErrors"]
        if any(one["code"] != DUPLICATE for one in failed):
            raise
        for one in failed:
            left = one["op"]["q"]["_id"]
            log.warning("%s %s is one with another now: change one of the two", collection.name, left)
        return int(error.details["nModified"])


def fill_words(store: Store, resource: Resource) -> int:
    """Add the words by which search finds what stands within a run; only texts beyond ASCII have any."""
    changed = 0
    for name, key in resource.word_fields.items():
        absent = {key: {"$exists": False}, name: {"$regex": r"[^\x00-\x7f]"}}
        for lot in lots(store.collection(resource.name).find(absent, {name: 1})):
            updates = [
                UpdateOne({**one, key: {"$exists": False}}, {"$set": {key: index_words(one[name])}})
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


def lots(found: Any, size: int = LOT) -> Iterator[list[dict[str, Any]]]:
    """Cut what a query finds into lots."""
    while lot := list(islice(found, size)):
        yield lot
