"""Make videos public: now, or at the moment that their owners chose."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from policy.store import Store
from services.jobs_pipelines import NOW
from tasks.periodic import every
from tasks.sweep import BATCH, for_each

Document = dict[str, Any]
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# The first part is what the index answers; the second goes by the database's clock, not by ours.
DUE = {"publish_at": {"$gt": LONG_AGO}, "$expr": {"$lte": ["$publish_at", NOW]}, "deleted_at": None}


def make_public(store: Store, match: Mapping[str, Any]) -> Document | None:
    """Make the video that matches public and return it; the moment is noted with it (`stamps`) where it is READY."""
    values = {"visibility": "public", "publish_at": None}
    return store.change("videos", {**match, "deleted_at": None}, set=values)


@every("sweep_seconds")
def publish_due(store: Store) -> int:
    """Make public what is due, at most a batch; return how many. What a crash kept waiting is found by the next."""
    found = list(store.collection("videos").find(DUE, {"publish_at": 1}).limit(BATCH))
    for_each(found, lambda video: make_public(store, video))
    return len(found)
