"""Brings playlists that an older version wrote to what this one expects."""

from features.engagement.ordering import after, before
from machine.write.store import Store
from machine.write.upgrade import upgrade


@upgrade
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
