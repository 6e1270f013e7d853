"""What owners do to a video besides editing it, and to a job: publish, restore, retry, cancel."""

from typing import Any

from flask import Blueprint

from features.current import app
from features.playback import make_public
from features.uploads.retry import retry_job, retry_video
from machine.current import g
from machine.http.problem import Problem
from machine.http.route import action
from machine.http.shape import UPLOAD_ACCEPTED
from machine.jobs.job import CANCELLED
from machine.jobs.runner import end_from_outside

blueprint = Blueprint("lifecycle", __name__)


@action(blueprint, "videos", "publish", answers={200: "The video."}, returns="videos")
def publish(doc: dict[str, Any]) -> dict[str, Any]:
    """Make a video public; it appears when it is READY too."""
    return shown("videos", make_public(app().store, {"_id": doc["_id"]}))


@action(blueprint, "videos", "unpublish", answers={200: "The video."}, returns="videos")
def unpublish(doc: dict[str, Any]) -> dict[str, Any]:
    """Make a video private; `published_at` stays what it was."""
    match = {"_id": doc["_id"], "deleted_at": None}
    video = app().store.change("videos", match, set={"visibility": "private", "publish_at": None})
    return shown("videos", video)


@action(blueprint, "videos", "restore", answers={200: "The video."}, returns="videos")
def restore(doc: dict[str, Any]) -> dict[str, Any]:
    """Undo a deletion that has not been purged yet."""
    match = {"_id": doc["_id"], "deleted_at": doc["deleted_at"]}
    return shown("videos", app().store.change("videos", match, set={"deleted_at": None}))


@action(blueprint, "videos", "retry", answers={202: "Processing has begun again."}, returns=UPLOAD_ACCEPTED)
def retry(doc: dict[str, Any]) -> Any:
    """Process the kept file again."""
    job = retry_video(app().store, doc)
    if job is None:
        raise Problem(409, "illegal_state", "The file is no longer there. Upload it again.")
    return {"status": "PROCESSING", "job": job["_id"], "_links": shown("jobs", job)["_links"]}, 202


@action(blueprint, "jobs", "retry", answers={202: "It is queued again."}, returns="jobs")
def retry_one_job(doc: dict[str, Any]) -> Any:
    """Queue a job that ended badly."""
    job = retry_job(app().store, doc)
    if job is None:
        raise Problem(409, "illegal_state", "What the job needs is no longer there.")
    return shown("jobs", job), 202


@action(blueprint, "jobs", "cancel", answers={200: "The job, ended."}, returns="jobs")
def cancel_job(doc: dict[str, Any]) -> dict[str, Any]:
    """End a job now, with what its type does then to the document it was about."""
    if not end_from_outside(doc["_id"], "cancelled", CANCELLED, app().services, app().store):
        raise Problem(409, "illegal_state", "The job has ended.")
    return shown("jobs", app().services.jobs.get(doc["_id"]))


def shown(resource: str, document: dict[str, Any] | None) -> dict[str, Any]:
    """Return a document as the caller sees it; 404 where it has gone meanwhile."""
    if document is None:
        raise Problem(404, "not_found")
    found: dict[str, Any] = app().reads[resource].answer(document, g.write.words, g.caller)
    return found
