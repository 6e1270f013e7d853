"""Make videos public: now, or at the moment that their owners chose."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from features.identity import is_active
from machine.jobs.periodic import every
from machine.jobs.pipelines import NOW
from machine.jobs.sweep import BATCH, for_each
from machine.write.store import Store

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
    found = list(store.collection("videos").find(DUE, {"publish_at": 1, "owner": 1}).limit(BATCH))
    for_each(found, lambda video: publish(store, video))
    return len(found)


def publish(store: Store, video: Document) -> Document | None:
    """Publish what is due; a plan whose moment comes while its owner is suspended is dropped, and the video stays."""
    match = {name: video[name] for name in ("_id", "publish_at")}
    if is_active(store, video["owner"]):
        return make_public(store, match)
    return store.change("videos", match, set={"publish_at": None})
