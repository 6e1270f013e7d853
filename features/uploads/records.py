"""The life of an upload, however its bytes arrive: begin, stay alive, complete, or come to nothing.

A video takes one upload at a time. The video holds what its owner sees, the `uploads` record the rest.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from clients import clock
from features.backend import backend_of
from features.identity import is_active
from features.uploads.spool import Spool
from machine.jobs.pipelines import after as from_now
from machine.write.store import Store

Upload = dict[str, Any]
Video = dict[str, Any]
REMEMBER = timedelta(days=2)
# How long the bytes of a failed job are kept that a retry can save.
KEEP_FOR_RETRY = timedelta(days=7)


def ago(seconds: float) -> datetime:
    """Return the moment that many seconds ago."""
    return clock.now() - timedelta(seconds=seconds)


def spool_of(store: Store) -> Spool:
    """Return the folder of received bytes."""
    return Spool(store.services.settings.spool_dir)


def uploads(store: Store) -> Any:
    """Return the collection of upload records."""
    return store.services.db["uploads"]


def find(store: Store, upload_id: ObjectId) -> Upload | None:
    """Return an upload's record."""
    found: Upload | None = uploads(store).find_one({"_id": upload_id})
    return found


def begin(store: Store, video: Video, mode: str, silence: float, **facts: Any) -> Upload | None:
    """Reserve a video for one upload; None when another one has it. A READY video stays READY meanwhile.

    Of the facts `by` is the session or key that it is begun with: (kind, id).
    """
    upload = {"_id": ObjectId(), "mode": mode, "silence": silence, **facts}

    def reserve(session: ClientSession) -> tuple[Upload, Upload | None, ObjectId | None] | None:
        free = {"_id": video["_id"], "$or": [{"pending_media": None}, {"pending_media.state": "FAILED"}]}
        before = store.collection("videos").find_one(free, session=session)
        if before is None or not hold(store, free, before, upload, session):
            return None
        told, old, owed = before.get("status_detail"), before.get("pending_media"), None
        if old:  # a failed upload that could have been retried gives way
            end_record(store, old["upload"], session)
            name = store.services.media.public_id(video["_id"], old["version"])
            owed = owe_removal(store, video["_id"], name, session)
            told = {**(told or {}), "retryable": False}
        return write_record(store, upload, before, told, session), old, owed

    begun = store.in_transaction(reserve)
    if begun is None:
        return None
    record, old, owed = begun
    if old:
        spool_of(store).remove(old["upload"])
    if owed:
        store.services.jobs.announce(owed)
    return record


def hold(store: Store, free: Upload, before: Video, upload: Upload, session: ClientSession) -> Video | None:
    """Let the video say that this upload has it; None when it is no longer free."""
    version = before.get("media_version", 0) + 1
    pending = {
        "upload": upload["_id"],
        "version": version,
        "mode": upload["mode"],
        "state": "UPLOADING",
        "since": clock.now(),
    }
    values: dict[str, Any] = {"pending_media": pending, "media_version": version}
    if before["status"] == "READY":
        return store.change("videos", {**free, "status": "READY"}, set=values, session=session)
    values["status_detail"] = detail("uploading", "The file is being received.", store, "upload")
    return store.move("videos", free, "status", "UPLOADING", set=values, session=session)


def write_record(
    store: Store, upload: Upload, before: Video, told: dict[str, Any] | None, session: ClientSession
) -> Upload:
    """Write the record of an upload: what it is, and what the video goes back to if it comes to nothing."""
    alive = clock.now() + timedelta(seconds=upload["silence"])
    record = {
        **upload, "video": before["_id"], "owner": before["owner"], "state": "open",
        "media_version": before.get("media_version", 0) + 1, "received": 0, "since": clock.now(), "alive_until": alive,
        "back_to": before["status"], "back_detail": told, "forget_at": None,
    }  # fmt: skip
    # The sweep judges by the database's clock, so that is the clock to set its term by.
    timed = {"$mergeObjects": [{"$literal": record}, {"alive_until": from_now(upload["silence"])}]}
    uploads(store).update_one({"_id": upload["_id"]}, [{"$replaceWith": timed}], upsert=True, session=session)
    return record


def owe_removal(
    store: Store, video_id: ObjectId, public_id: str, session: ClientSession | None = None
) -> ObjectId:
    """Record the deletion of a file at Cloudinary that no video has any more; return the job's id."""
    subject = {"resource": "videos", "id": video_id}
    payload = {"public_id": public_id, "resource_type": "video"}
    job = store.services.jobs.record(
        "delete_media", subject, f"delete_media:video:{public_id}", payload, session=session
    )
    job_id: ObjectId = job["_id"]
    return job_id


def keep_alive(store: Store, upload: Upload, received: int) -> bool:
    """Note how many bytes are safe on disk; False when the upload has ended meanwhile."""
    values = {"received": received, "alive_until": from_now(upload["silence"])}
    held = {"_id": upload["_id"], "state": "open"}
    return bool(uploads(store).update_one(held, [{"$set": values}]).matched_count)


def complete(store: Store, upload: Upload, size: int, **facts: Any) -> dict[str, Any] | None:
    """Record the processing of received bytes, together with the video's state; None when the upload has ended.

    None too when its owner has been suspended: a check before the transaction may have come a moment too soon.
    """
    jobs = store.services.jobs

    def settle(session: ClientSession) -> dict[str, Any] | None:
        done = {
            "state": "complete",
            "received": size,
            "completed_at": clock.now(),
            **facts,
        }
        held = {"_id": upload["_id"], "state": "open"}
        if not is_active(store, upload["owner"], session):
            return None
        if not uploads(store).update_one(held, {"$set": done}, session=session).matched_count:
            return None
        video = process_next(store, upload, session)
        if video is None:
            return None
        return jobs.record(
            "process",
            {"resource": "videos", "id": upload["video"]},
            process_key(upload["video"], upload["media_version"]),
            {
                "upload": upload["_id"], "media_version": upload["media_version"], "mode": upload["mode"],
                "bytes": size, "sha256": facts.get("sha256") or upload.get("sha256"),
            },
            owner=upload["owner"],
            session=session,
            deadline_seconds=store.services.settings.process_deadline_seconds,
        )  # fmt: skip

    job = store.in_transaction(settle)
    if job:
        jobs.announce(job["_id"])
    return job


def may_arrive(store: Store, upload: Upload) -> bool:
    """Tell whether what began an upload still stands: its owner and the session or key that was used."""
    if "by" not in upload:
        return is_active(store, upload["owner"])
    kind, grant = upload["by"]
    state = backend_of(store).tokens.liveness.check(kind, grant, upload["owner"])
    return state is not None and state.active


def process_next(store: Store, upload: Upload, session: ClientSession) -> Video | None:
    """Let the video wait for its processing."""
    match = {"_id": upload["video"], "pending_media.upload": upload["_id"]}
    values = {"pending_media.state": "PROCESSING"}
    told = detail("processing", "The video is being prepared.", store, "process")
    shown = {**values, "status_detail": told}
    moved = store.move("videos", match, "status", "PROCESSING", set=shown, session=session)
    return moved or store.change("videos", {**match, "status": "READY"}, set=values, session=session)


def process_key(video_id: ObjectId, media_version: int) -> str:
    """Return the key of the job that processes one upload of a video."""
    return f"process:{video_id}:{media_version}"


def abandon(store: Store, upload: Upload, error: Mapping[str, Any] | None = None) -> bool:
    """End an upload that came to nothing: the video is as it was, the bytes go. False if it had ended."""

    def undo(session: ClientSession) -> bool:
        held = {"_id": upload["_id"], "state": "open"}
        ended = {"state": "ended", "forget_at": clock.now() + REMEMBER}
        record = uploads(store).find_one_and_update(held, {"$set": ended}, session=session)
        if record is None:
            return False
        if upload["mode"] == "direct":  # it may have arrived unseen
            owe_removal(store, upload["video"], store.services.media.incoming_id(upload["_id"]), session)
        match = {"_id": upload["video"], "pending_media.upload": upload["_id"]}
        told = {**error, "since": clock.now(), "deadline": None} if error else record["back_detail"]
        values = {"pending_media": None, "status_detail": told}
        back = record["back_to"]
        if back != "READY" and store.move("videos", match, "status", back, set=values, session=session):
            return True
        store.change("videos", match, set=values, session=session)
        return True

    undone = store.in_transaction(undo)
    # Also when it had ended before: a late request may have written after the end.
    if undone or (find(store, upload["_id"]) or {}).get("state") == "ended":
        spool_of(store).remove(upload["_id"])
    return undone


def end_record(store: Store, upload_id: ObjectId, session: ClientSession | None = None) -> Upload | None:
    """Mark an upload's record as ended, whatever it was."""
    ended = {"state": "ended", "forget_at": clock.now() + REMEMBER}
    record: Upload | None = uploads(store).find_one_and_update(
        {"_id": upload_id}, {"$set": ended}, return_document=ReturnDocument.AFTER, session=session
    )
    return record


def keep_for_retry(store: Store, upload_id: ObjectId, session: ClientSession) -> None:
    """Keep the bytes of a failed job for a while: with its record gone, the sweep deletes the file."""
    values = {"forget_at": clock.now() + KEEP_FOR_RETRY}
    uploads(store).update_one({"_id": upload_id}, {"$set": values}, session=session)


def detail(
    code: str, message: str, store: Store, deadline: str = "", retryable: bool = False
) -> dict[str, Any]:
    """Describe a state for the owner; `deadline` names the setting that limits it."""
    seconds = getattr(store.services.settings, f"{deadline}_deadline_seconds") if deadline else None
    until = clock.now() + timedelta(seconds=seconds) if seconds else None
    return {"code": code, "message": message, "retryable": retryable, "since": clock.now(), "deadline": until}
