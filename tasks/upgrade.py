"""Brings documents that an older version wrote to what this one expects; `python run.py db migrate` does it.

Each step may be run again, stopped at any point, and run while the API serves: it writes only what is absent.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from pymongo import UpdateOne

from policy.match import as_query
from policy.resource import Resource
from policy.store import Store
from services.ordering import after, before

LOT = 1000


def upgrade_documents(store: Store) -> int:
    """Do every step; return how many documents were changed."""
    filled = sum(fill_folded(store, resource) + fill_stamps(store, resource) for resource in store.registry)
    return filled + fill_positions(store) + drop_publications(store)


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


def fill_positions(store: Store) -> int:
    """Give the items of old playlists their places, in front of any newer ones, in the order they came."""
    items, changed = store.collection("playlist_items"), 0
    absent = {"position": {"$exists": False}}
    for playlist in items.distinct("playlist", absent):
        first = items.find_one({"playlist": playlist, "position": {"$gt": ""}}, sort=[("position", 1)])
        place = first["position"] if first else None
        for one in items.find({"playlist": playlist, **absent}, {"_id": 1}).sort("_id", -1):
            place = before(place) if place else after(None)
            changed += items.update_one(
                {"_id": one["_id"], **absent}, {"$set": {"position": place}}
            ).modified_count
    return changed


def drop_publications(store: Store) -> int:
    """Drop jobs that waited for the moment of a publication: the sweep finds the videos themselves."""
    waiting = {"type": "publish", "state": "queued"}
    return store.services.db["jobs"].delete_many(waiting).deleted_count


def lots(found: Any) -> Iterator[list[dict[str, Any]]]:
    """Cut what a query finds into lots."""
    while lot := list(islice(found, LOT)):
        yield lot
