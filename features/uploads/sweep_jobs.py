"""What each sweep does for uploads: free the videos whose upload stopped, and clear the spool."""

from features.uploads.records import abandon, find, spool_of, uploads
from machine.jobs.pipelines import NOW
from machine.jobs.sweep import BATCH, for_each, step
from machine.services import Services
from machine.write.store import Store

INTERRUPTED = {
    "code": "upload_interrupted",
    "message": "The upload stopped. Begin it again.",
    "retryable": False,
}
EXPIRED = {"code": "upload_timeout", "message": "The upload was not finished in time.", "retryable": False}
# A file in the spool that no record claims is left alone for this long: its record may be on the way.
STRAY_SECONDS = 3600


@step
def end_silent_uploads(services: Services, store: Store) -> None:
    """Free the videos whose upload went silent or was not finished in time."""
    silent = {"state": "open", "$expr": {"$lt": ["$alive_until", NOW]}}
    for_each(
        list(uploads(store).find(silent).limit(BATCH)),
        lambda upload: abandon(store, upload, INTERRUPTED if upload["mode"] == "multipart" else EXPIRED),
    )


@step
def clear_spool(services: Services, store: Store) -> None:
    """Delete files that no upload needs any more."""
    spool = spool_of(store)
    for upload_id in spool.stale(min(STRAY_SECONDS, services.settings.upload_deadline_seconds)):
        upload = find(store, upload_id)
        if upload is None or upload["state"] == "ended":
            spool.remove(upload_id)
