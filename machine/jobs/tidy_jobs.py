"""Delete what was kept beside a document that is gone, and was written too late for its cascade to find it."""

from datetime import timedelta
from typing import Any

from bson import ObjectId

from clients import clock
from machine.jobs.periodic import every
from machine.write.store import Store

LOT = 500
# What is younger may belong to a document that is only being written.
YOUNG_SECONDS = 3600


@every("rollup_seconds")
def tidy(store: Store, young: float = YOUNG_SECONDS) -> int:
    """Delete up to a lot of orphans of each kind; return how many."""
    gone = 0
    for resource in store.registry:
        for collection, field in resource.beside.items():
            if field == "_id":
                gone += delete_orphans(store, collection, resource.name, young)
    return gone


def delete_orphans(store: Store, collection: str, parent: str, young: float) -> int:
    """Delete what stands under the id of a document that is not there."""
    latest = ObjectId.from_datetime(clock.now() - timedelta(seconds=young))
    orphans: list[dict[str, Any]] = [
        {"$match": {"_id": {"$lt": latest}}},
        {"$lookup": {"from": parent, "localField": "_id", "foreignField": "_id", "as": "of",
                     "pipeline": [{"$project": {"_id": 1}}]}},
        {"$match": {"of": []}},
        {"$limit": LOT},
        {"$project": {"_id": 1}},
    ]  # fmt: skip
    ids = [one["_id"] for one in store.services.db[collection].aggregate(orphans)]
    return store.services.db[collection].delete_many({"_id": {"$in": ids}}).deleted_count if ids else 0
