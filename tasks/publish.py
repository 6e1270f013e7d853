"""Publish a video at the moment that its owner chose."""

from datetime import UTC
from typing import Any

from policy.store import Store
from tasks.job import Run, job
from tasks.process import publish_if_due


def owe_publication(store: Store, video: dict[str, Any]) -> None:
    """Owe the publication at `publish_at`."""
    moment = video["publish_at"].replace(tzinfo=UTC)
    subject = {"resource": "videos", "id": video["_id"]}
    key = f"publish:{video['_id']}:{int(moment.timestamp())}"
    store.services.jobs.record(
        "publish", subject, key, {"publish_at": moment}, owner=video["owner"], due=moment
    )


@job("publish")
def publish(run: Run) -> None:
    """Make the video public if the moment is still the one that was planned."""
    match = {"_id": run.subject_id, "publish_at": run.payload["publish_at"], "deleted_at": None}
    values = {"visibility": "public", "publish_at": None}
    published = run.store.change("videos", match, set=values)
    if published:
        publish_if_due(run.store, published)
