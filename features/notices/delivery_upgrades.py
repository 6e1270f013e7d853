"""Brings deliveries that an older version wrote to what this one expects."""

from pymongo import UpdateOne

from machine.write.store import Store
from machine.write.upgrade import lots, upgrade


@upgrade
def note_authors(store: Store) -> int:
    """Note whose words the deliveries hold, so that they go with their author."""
    deliveries, changed = store.collection("webhook_deliveries"), 0
    absent = {"author": {"$exists": False}}
    for lot in lots(deliveries.find(absent, {"event": 1})):
        known = store.collection("events").find({"_id": {"$in": [one["event"] for one in lot]}}, {"owner": 1})
        owners = {event["_id"]: event["owner"] for event in known}
        updates = [
            UpdateOne({"_id": one["_id"], **absent}, {"$set": {"author": owners.get(one["event"])}})
            for one in lot
        ]
        changed += deliveries.bulk_write(updates, ordered=False).modified_count
    return changed
