"""Run a failed job again, and put its document back into the state that this needs."""

from typing import Any

from pymongo.client_session import ClientSession

from features.uploads.records import detail, process_key
from machine.write.store import Store

Job = dict[str, Any]


def retry_video(store: Store, video: dict[str, Any]) -> Job | None:
    """Process a FAILED video's kept file again; None when the file was not kept."""
    pending = video.get("pending_media") or {}
    if pending.get("state") != "FAILED":
        return None
    found = store.services.jobs.jobs.find_one({"key": process_key(video["_id"], pending["version"])})
    return retry_job(store, found) if found else None


def retry_job(store: Store, job: Job) -> Job | None:
    """Queue a job again, in one transaction with the state of its video; None when that is not possible."""

    def again(session: ClientSession) -> Job | None:
        if job["type"] == "process" and not reopen_video(store, job, session):
            return None
        return store.services.jobs.retry(job["_id"], session)

    queued = store.in_transaction(again)
    if queued:
        store.services.jobs.announce(queued["_id"])
    return queued


def reopen_video(store: Store, job: Job, session: ClientSession) -> bool:
    """Let the video wait for its processing again."""
    version = store.services.jobs.get(job["_id"])
    payload = (version or {}).get("payload", {})
    match = {
        "_id": job["subject"]["id"],
        "pending_media.version": payload.get("media_version"),
        "pending_media.state": "FAILED",
    }
    told = detail("processing", "The video is being prepared again.", store, "process")
    values = {"pending_media.state": "PROCESSING", "status_detail": told}
    return store.move("videos", match, "status", "PROCESSING", set=values, session=session) is not None
