"""Watch for a direct upload to arrive at Cloudinary: a webhook makes the job look at once, else a timer does."""

from features.uploads import records as uploads
from machine.jobs.job import GiveUp, Run, Wait, job
from machine.write.store import Store

# The signed form is good for an hour; the upload itself may take another.
DIRECT_SECONDS = 2 * 3600.0
LOOK_AGAIN_SECONDS = (15, 30, 60, 120, 300)
ENDED = {
    "code": "access_ended",
    "message": "The session or key that this upload was begun with ended before the file arrived. Upload it again.",
}


def watch_key(upload_id: object) -> str:
    """Return the key of the job that watches one upload."""
    return f"await_direct:{upload_id}"


def owe_watch(store: Store, upload: uploads.Upload) -> None:
    """Record the job that waits for the file of a direct upload."""
    subject = {"resource": "videos", "id": upload["video"]}
    due = uploads.ago(-LOOK_AGAIN_SECONDS[0])
    store.services.jobs.record(
        "await_direct", subject, watch_key(upload["_id"]), {"upload": upload["_id"]}, due=due
    )


@job("await_direct")
def await_direct(run: Run) -> None:
    """Complete the upload once its file is there."""
    upload = uploads.find(run.store, run.payload["upload"])
    if upload is None or upload["state"] != "open":
        raise GiveUp("upload_ended", "The upload has ended.")
    found = run.services.media.look_up(run.services.media.incoming_id(upload["_id"]))
    if found is None:
        raise Wait(LOOK_AGAIN_SECONDS[min(run.job["waits"], len(LOOK_AGAIN_SECONDS) - 1)])
    arrive(run.store, upload, found["bytes"])


def arrive(store: Store, upload: uploads.Upload, size: int) -> None:
    """Complete an upload whose file is there; what was begun with a session or key that has ended comes to nothing."""
    if not uploads.may_arrive(store, upload) or uploads.complete(store, upload, size) is None:
        uploads.abandon(store, upload, {**ENDED, "retryable": False})
