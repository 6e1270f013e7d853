"""Delete what was kept beside a document and has outlived it: secrets, passwords, marks."""

from typing import Any

from policy.store import Store
from tasks.periodic import every

LOT = 500
BESIDE = {"webhook_secrets": "webhooks", "video_passwords": "videos", "digests": "users"}


@every("rollup_seconds")
def tidy(store: Store) -> int:
    """Delete up to a lot of orphans of each kind; return how many."""
    gone = 0
    for collection, parent in BESIDE.items():
        orphans: list[dict[str, Any]] = [
            {"$lookup": {"from": parent, "localField": "_id", "foreignField": "_id", "as": "of",
                         "pipeline": [{"$project": {"_id": 1}}]}},
            {"$match": {"of": []}},
            {"$limit": LOT},
            {"$project": {"_id": 1}},
        ]  # fmt: skip
        ids = [one["_id"] for one in store.services.db[collection].aggregate(orphans)]
        if ids:
            gone += store.services.db[collection].delete_many({"_id": {"$in": ids}}).deleted_count
    return gone
