"""The ways in for a video's bytes: multipart through us, resumable (tus), or directly to Cloudinary."""

import base64
import contextlib
import errno
import re
import shutil
from typing import Any

from bson import ObjectId
from flask import Blueprint, Response, request
from werkzeug.http import http_date

from features.current import app
from features.uploads import records as uploads
from features.uploads import slots
from features.uploads.direct_jobs import DIRECT_SECONDS, owe_watch
from features.uploads.multipart import FORM_BYTES, Receiver, receive_file
from machine.access.claims import grant_of
from machine.access.lasting import Permit
from machine.current import g
from machine.http.problem import Problem
from machine.http.route import action, read_object
from machine.http.shape import LINKS, TEXT, UPLOAD_ACCEPTED, Shape
from schemas._fields import of_kind
from settings import MIB, PREFIX

blueprint = Blueprint("uploads", __name__)
blueprint.record(lambda state: slots.install(state.app))
# Never fill the disk to its end: databases may live on it too.
SPARE_BYTES = 256 * MIB
TUS = {"Tus-Resumable": "1.0.0"}
MODE = {**TEXT, "allowed": ["resumable", "direct"]}
WISH = Shape("UploadWish", {
    "mode": MODE, "bytes": {"type": "integer", "required": True, "min": 1},
    "filename": {"type": "string", "maxlength": 255, **of_kind("verbatim")},
    "content_type": {"type": "string", "maxlength": 255, **of_kind("verbatim")},
    "sha256": {"type": "string", "regex": "[0-9a-f]{64}", **of_kind("code"),
               "meta": {"form": "64 hex digits in lower case"}},
})  # fmt: skip
BEGUN = Shape("UploadBegun", {
    "mode": MODE, "upload_url": TEXT, "bytes": {"type": "integer"}, "offset": {"type": "integer"},
    "fields": {"type": "dict"}, "expires_at": {"type": "datetime"}, "_links": {**LINKS, "required": False},
})  # fmt: skip


@action(
    blueprint, "videos", "upload", stream=True, rate="upload",
    description="multipart/form-data, the file in the field `file`; `Repr-Digest: sha-256` is checked.",
    answers={202: "The file is safe; processing has begun."}, returns=UPLOAD_ACCEPTED,
    reasons=["upload_in_progress", "file_missing", "file_empty", "file_too_large", "file_truncated",
             "not_a_video", "digest_mismatch", "length_required", "storage_full", "upload_ended", "access_ended",
             "unavailable"],
)  # fmt: skip
def upload(doc: dict[str, Any]) -> Any:
    """Receive the file onto disk, and record the job that processes it."""
    with app().receiving.take():
        return accepted(doc["_id"], receive_form(doc)), 202


def receive_form(doc: dict[str, Any]) -> dict[str, Any]:
    """Receive the file of the form and return the job that processes it."""
    store = app().store
    limit = app().settings.upload_max_bytes
    require_room(request.content_length or 0, limit + FORM_BYTES)
    silence = app().settings.upload_silence_seconds
    begun = uploads.begin(store, doc, "multipart", silence, by=begun_by())
    if begun is None:
        raise in_progress(doc["_id"])
    try:
        job = receive(begun, limit)
        if job is None:
            raise Problem(409, "upload_ended")
    except BaseException:
        # Should the database be down too, the sweep does it.
        with contextlib.suppress(Exception):
            uploads.abandon(store, begun)
        raise
    return job


def in_progress(video_id: ObjectId) -> Problem:
    """Return the refusal of a second upload; it names the first one, so that its owner can resume or end it."""
    video = app().store.get("videos", video_id) or {}
    pending = video.get("pending_media") or {}
    if pending.get("state") != "UPLOADING" or pending["mode"] == "multipart":
        return Problem(409, "upload_in_progress")
    url = f"{app().settings.public_url}{PREFIX}/uploads/{pending['upload']}"
    return Problem(409, "upload_in_progress", upload_url=url, mode=pending["mode"])


def receive(begun: uploads.Upload, limit: int) -> dict[str, Any] | None:
    """Write the file of the form to disk, safely; return the job that processes it, None when the upload has ended."""
    spool, permit = uploads.spool_of(app().store), Permit(app(), g.caller)

    def note(received: int) -> None:
        if not uploads.keep_alive(app().store, begun, received):
            raise Problem(409, "upload_ended")

    try:
        with spool.create(begun["_id"]) as target:
            receiver = Receiver(target, limit, note, begun["silence"] / 4, permit.look)
            sha256 = receive_file(request, "file", receiver)
            spool.keep(target)
            permit.require()
            return uploads.complete(app().store, begun, receiver.received, sha256=sha256)
    except OSError as error:
        raise full_disk(error) from error


def full_disk(error: OSError) -> Exception:
    """Return the Problem of a full disk, or the error itself."""
    return Problem(507, "storage_full") if error.errno in (errno.ENOSPC, errno.EDQUOT) else error


def require_room(size: int, limit: int) -> None:
    """Refuse at once what is declared too large, or would fill the disk."""
    if size > limit:
        raise Problem(413, "file_too_large", f"At most {app().settings.upload_max_bytes} bytes.")
    folder = app().settings.spool_dir
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < size + SPARE_BYTES:
        raise Problem(507, "storage_full")


def accepted(video_id: ObjectId, job: dict[str, Any]) -> dict[str, Any]:
    """Say where to watch the processing."""
    video = app().store.get("videos", video_id) or {"_id": video_id}
    links = app().reads["videos"].links.of(video, g.write.words)
    links["job"] = {"href": f"{PREFIX}/jobs/{job['_id']}", "title": "Progress"}
    return {"status": "PROCESSING", "video": video_id, "job": job["_id"], "_links": links}


@action(
    blueprint, "videos", "uploads", stream=True, rate="upload",
    description=(
        'JSON `{"mode": "resumable"|"direct", "bytes", "filename", "content_type", "sha256"?}`. A request '
        "with `Tus-Resumable` and `Upload-Length` begins a resumable upload too (tus 1.0, creation)."
    ),
    takes=WISH,
    answers={201: "Where to send the bytes; for a resumable upload also in `Location`."}, returns=BEGUN,
    reasons=["upload_in_progress", "file_too_large", "validation_failed", "storage_full", "tus_version"],
)  # fmt: skip
def begin_upload(doc: dict[str, Any]) -> Any:
    """Reserve the video and say where the bytes go."""
    asked = read_tus() if "Tus-Resumable" in request.headers else read_wish()
    require_room(asked["bytes"], app().settings.upload_max_bytes)
    begin = begin_direct if asked["mode"] == "direct" else begin_resumable
    return begin(doc, asked)


def begin_resumable(doc: dict[str, Any], asked: dict[str, Any]) -> Response | tuple[Any, ...]:
    """Reserve the video for a resumable upload."""
    store = app().store
    facts = {"length": asked["bytes"], "filename": asked.get("filename"), "sha256": asked.get("sha256"),
             "by": begun_by()}  # fmt: skip
    begun = uploads.begin(store, doc, "resumable", app().settings.upload_deadline_seconds, **facts)
    if begun is None:
        raise in_progress(doc["_id"])
    try:
        with uploads.spool_of(store).create(begun["_id"]) as target:
            uploads.spool_of(store).keep(target)
    except OSError as error:
        uploads.abandon(store, begun)
        raise full_disk(error) from error
    url = f"{app().settings.public_url}{PREFIX}/uploads/{begun['_id']}"
    body = {
        "mode": "resumable",
        "upload_url": url,
        "bytes": begun["length"],
        "offset": 0,
        "expires_at": begun["alive_until"],
        "_links": {"upload": {"href": url, "title": "Send the bytes (tus 1.0)", "method": "PATCH"}},
    }
    return (
        body,
        201,
        {"Location": url, "Upload-Offset": "0", "Upload-Expires": http_date(begun["alive_until"]), **TUS},
    )


def begin_direct(doc: dict[str, Any], asked: dict[str, Any]) -> tuple[Any, ...]:
    """Reserve the video and sign the form for Cloudinary."""
    facts = {"length": asked["bytes"], "filename": asked.get("filename"), "by": begun_by()}
    begun = uploads.begin(app().store, doc, "direct", DIRECT_SECONDS, **facts)
    if begun is None:
        raise in_progress(doc["_id"])
    owe_watch(app().store, begun)
    form = app().services.media.direct_form(begun["_id"])
    url = f"{app().settings.public_url}{PREFIX}/uploads/{begun['_id']}"
    body = {
        "mode": "direct",
        "method": "POST",
        "upload_url": form["url"],
        "fields": form["fields"],
        "expires_at": begun["alive_until"],
        "_links": {"cancel": {"href": url, "title": "Give it up", "method": "DELETE"}},
    }
    return body, 201, {"Location": url}


def begun_by() -> list[Any]:
    """Return the kind and id of the session or key that an upload is begun with."""
    kind, id_, _ = grant_of(g.caller.id, g.caller.session, g.caller.key)
    return [kind, id_]


def read_wish() -> dict[str, Any]:
    """Read the JSON that begins an upload."""
    wish = read_object(WISH.fields)
    if "sha256" in wish and wish["mode"] == "direct":
        issues = {"sha256": "only for a resumable upload: Cloudinary does not tell it"}
        raise Problem(422, "validation_failed", issues=issues)
    return wish


def read_tus() -> dict[str, Any]:
    """Read the headers that begin an upload (tus 1.0, creation extension)."""
    if request.headers["Tus-Resumable"] != TUS["Tus-Resumable"]:
        raise Problem(412, "tus_version", headers={"Tus-Version": "1.0.0"})
    length = request.headers.get("Upload-Length", "")
    if not re.fullmatch("[1-9][0-9]{0,15}", length):
        raise Problem(400, "bad_request", "Send Upload-Length, the size of the file, at least 1.")
    facts = {"mode": "resumable", "bytes": int(length)}
    for pair in request.headers.get("Upload-Metadata", "").split(","):
        name, _, value = pair.strip().partition(" ")
        if name == "filename":
            facts["filename"] = decode_metadata(value)[:255]
    return facts


def decode_metadata(value: str) -> str:
    """Decode a value of Upload-Metadata."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except ValueError as error:
        raise Problem(400, "bad_request", "Upload-Metadata is not valid.") from error
