"""Resumable uploads: tus 1.0 with creation, checksum, expiration and termination.

https://tus.io/protocols/resumable-upload. The offset that counts is in MongoDB, written after the bytes were
synced; so any API process can go on after a crash.
"""

import base64
import hashlib
import secrets
import time
from datetime import timedelta
from typing import Any, BinaryIO

from bson import ObjectId
from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected
from werkzeug.http import http_date

from clients import clock
from clients.metrics import UPLOAD_BYTES
from features.current import app
from features.identity import is_active
from features.uploads import records as uploads
from features.uploads.multipart import PIECE_BYTES, drain
from features.uploads.probe import SNIFF_BYTES, sniff
from features.uploads.routes import TUS, full_disk
from machine.access.lasting import AccessEnded, Permit
from machine.access.rights import has_scope
from machine.current import g
from machine.http.problem import Problem
from machine.http.route import route

blueprint = Blueprint("tus", __name__)
ALGORITHMS = ("sha1", "sha256", "md5")
EXTENSIONS = "creation,checksum,expiration,termination"
# A checkpoint makes the bytes so far survive a crash.
CHECKPOINT_BYTES = 8 * 1024 * 1024
CHECKPOINT_SECONDS = 2.0
PATH = "/uploads/<objectid:id_>"
FACTS: dict[str, Any] = {"tag": "uploads"}
VERSION = {
    "name": "Tus-Resumable", "in": "header", "description": "Always `1.0.0`.", "required": True,
    "schema": {"type": "string"},
}  # fmt: skip
OFFSET = {
    "name": "Upload-Offset", "in": "header",
    "description": "How many bytes the server has; the body begins there.", "required": True,
    "schema": {"type": "string"},
}  # fmt: skip


class ChecksumMismatch(Problem):
    """The status 460 of tus, which HTTP itself does not know."""

    def __init__(self) -> None:
        super().__init__(400, "digest_mismatch")

    def body(self, instance: str, request_id: str) -> dict[str, Any]:
        """Build the body under the status of the protocol."""
        self.code = 400
        body = super().body(instance, request_id)
        self.code = 460
        return {
            **body,
            "title": "Checksum Mismatch",
            "status": 460,
            "_error": {**body["_error"], "code": 460},
        }


@route(blueprint, "OPTIONS", "/uploads", access="anyone", summary="What this tus server can do",
       answers={204: "Its version, extensions and limits."}, rate="read", **FACTS)  # fmt: skip
def describe_tus() -> Response:
    """Answer what the protocol asks a server to say of itself."""
    limit = str(app().settings.upload_max_bytes)
    able = {"Tus-Version": "1.0.0", "Tus-Extension": EXTENSIONS, "Tus-Max-Size": limit}
    return Response(status=204, headers={**TUS, **able, "Tus-Checksum-Algorithm": ",".join(ALGORITHMS)})


@route(blueprint, "HEAD", PATH, access="user", scope="videos", summary="Where a resumable upload stands",
       answers={200: "Its offset and length."}, reasons=["not_found", "gone", "missing_scope"],
       parameters=(VERSION,), operation="showUploadOffset", **FACTS)  # fmt: skip
def show_offset(id_: ObjectId) -> Response:
    """Answer how many bytes are safe."""
    upload = own_upload(id_)
    return Response(status=200, headers={**offset_headers(upload), "Cache-Control": "no-store"})


@route(blueprint, "PATCH", PATH, access="user", scope="videos", stream=True, summary="Send the next bytes",
       answers={204: "They are safe; `Upload-Offset` says how many there are now.",
                460: "The checksum differs; the bytes are dropped. The status is that of the tus protocol."},
       returns={460: "Problem"}, accepts="application/offset+octet-stream",
       parameters=(VERSION, OFFSET), operation="sendUploadBytes",
       reasons=["not_found", "gone", "offset_mismatch", "upload_locked", "file_too_large",
                "not_a_video", "unsupported_media_type", "tus_version", "missing_scope", "storage_full",
                "access_ended", "unavailable"],
       rate="piece", **FACTS)  # fmt: skip
def append(id_: ObjectId) -> Response:
    """Append the body at the offset; with the last byte the processing begins."""
    require_version()
    upload = own_upload(id_)
    if request.mimetype != "application/offset+octet-stream":
        raise Problem(415, "unsupported_media_type", "Send application/offset+octet-stream.")
    checksum = read_checksum()
    upload = take(upload, read_offset())
    left, permit = upload["length"] - upload["received"], Permit(app(), g.caller)
    if (request.content_length or 0) > left:
        drain(request)
        raise Problem(413, "file_too_large", f"Only {left} bytes are missing.")
    try:
        with app().receiving.take():
            upload["received"] = write_body(upload, left, checksum, permit)
        if upload["received"] == upload["length"]:
            permit.require()
            finish(upload)
    except AccessEnded as refused:
        leave(upload, refused)
        raise
    except OSError as error:
        raise full_disk(error) from error
    return Response(status=204, headers=offset_headers(upload))


@route(blueprint, "DELETE", PATH, access="user", scope="videos", summary="Give an upload up",
       answers={204: "It has ended, its bytes are gone."},
       reasons=["not_found", "gone", "upload_ended", "missing_scope"],
       parameters=(VERSION,), operation="abandonUpload", rate="write", **FACTS)  # fmt: skip
def terminate(id_: ObjectId) -> Response:
    """End an upload (tus termination); also a direct one."""
    require_scope()
    upload = uploads.find(app().store, id_)
    if upload is None or upload["owner"] != g.caller.id:
        raise Problem(404, "not_found")
    if not uploads.abandon(app().store, upload):
        raise Problem(409, "upload_ended") if upload["state"] == "complete" else Problem(410, "gone")
    return Response(status=204, headers=TUS)


def own_upload(id_: ObjectId) -> uploads.Upload:
    """Return the caller's resumable upload; 404 if it is somebody else's, 410 if it has ended or expired."""
    require_scope()
    upload = uploads.find(app().store, id_)
    if upload is None or upload["owner"] != g.caller.id or upload["mode"] != "resumable":
        raise Problem(404, "not_found", headers=TUS)
    if upload["state"] == "ended":
        raise Problem(410, "gone", headers=TUS)
    if upload["state"] == "open" and upload["alive_until"] < clock.now():
        uploads.abandon(app().store, upload)
        raise Problem(410, "gone", headers=TUS)
    return upload


def require_scope() -> None:
    """Refuse an API key that does not reach writing videos."""
    if not has_scope(app().registry["videos"], "POST", g.caller):
        raise Problem(403, "missing_scope")


def offset_headers(upload: uploads.Upload) -> dict[str, str]:
    """Return the headers that say where an upload stands."""
    headers = {**TUS, "Upload-Offset": str(upload["received"]), "Upload-Length": str(upload["length"])}
    if upload["state"] == "open":
        headers["Upload-Expires"] = http_date(upload["alive_until"])
    return headers


def require_version() -> None:
    """Refuse another version of the protocol."""
    if request.headers.get("Tus-Resumable") != TUS["Tus-Resumable"]:
        raise Problem(412, "tus_version", headers={"Tus-Version": "1.0.0"})


def read_offset() -> int:
    """Read where the client believes that the upload stands."""
    text = request.headers.get("Upload-Offset", "")
    if not (text.isascii() and text.isdigit() and len(text) < 17):
        raise Problem(400, "bad_request", "Send Upload-Offset.")
    return int(text)


def read_checksum() -> tuple[str, bytes] | None:
    """Read the algorithm and digest of Upload-Checksum."""
    header = request.headers.get("Upload-Checksum")
    if header is None:
        return None
    name, _, value = header.partition(" ")
    try:
        digest = base64.b64decode(value, validate=True)
    except ValueError:
        digest = b""
    if name not in ALGORITHMS or len(digest) != hashlib.new(name, usedforsecurity=False).digest_size:
        raise Problem(400, "bad_request", f"Send Upload-Checksum with one of {', '.join(ALGORITHMS)}.")
    return name, digest


def take(upload: uploads.Upload, offset: int) -> uploads.Upload:
    """Become the one writer of an upload; an earlier request that still hangs can store nothing more."""
    held = {"_id": upload["_id"], "state": "open", "received": offset}
    upload["lock"] = secrets.token_hex(8)
    stored = uploads.uploads(app().store).find_one_and_update(held, {"$set": {"lock": upload["lock"]}})
    if stored is None:
        drain(request)
        raise Problem(409, "offset_mismatch", headers=offset_headers(own_upload(upload["_id"])))
    return {**stored, "lock": upload["lock"]}


def write_body(upload: uploads.Upload, left: int, checksum: tuple[str, bytes] | None, permit: Permit) -> int:
    """Append the body; return how many bytes are safe. Without a checksum a broken body counts too."""
    seen = hashlib.new(checksum[0], usedforsecurity=False) if checksum else None
    size = start = upload["received"]
    spool = uploads.spool_of(app().store)
    with spool.reopen(upload["_id"], size) as target:
        noted, noted_at = size, time.monotonic()
        for piece in pieces(left):
            permit.look(len(piece))
            if size == 0:
                require_video(upload, piece)
            target.write(piece)
            size += len(piece)
            UPLOAD_BYTES.labels("tus").inc(len(piece))
            if seen:
                seen.update(piece)
            elif size - noted >= CHECKPOINT_BYTES or time.monotonic() - noted_at > CHECKPOINT_SECONDS:
                keep(upload, target, size)
                noted, noted_at = size, time.monotonic()
        if seen and checksum and (seen.digest() != checksum[1] or size - start != request.content_length):
            target.truncate(start)
            raise ChecksumMismatch
        keep(upload, target, size)
    return size


def pieces(left: int) -> Any:
    """Yield the body in pieces of at least the length that tells a video, until it ends or breaks off."""
    first = b""
    while left > 0:
        try:
            piece = request.stream.read(min(PIECE_BYTES, left))
        except (ClientDisconnected, OSError):
            piece = b""
        left -= len(piece)
        if piece and first is not None and len(first) + len(piece) < SNIFF_BYTES and left > 0:
            first += piece
            continue
        if first or piece:
            yield first + piece
        first = b""
        if not piece:
            return


def require_video(upload: uploads.Upload, head: bytes) -> None:
    """Refuse, and end, an upload that does not begin like a video."""
    if sniff(head[:SNIFF_BYTES]) is None:
        uploads.abandon(app().store, upload)
        drain(request)
        raise Problem(415, "not_a_video")


def keep(upload: uploads.Upload, target: BinaryIO, size: int) -> None:
    """Make the bytes so far safe, then let the offset follow; 409 when another request took over."""
    uploads.spool_of(app().store).keep(target)
    alive = clock.now() + timedelta(seconds=upload["silence"])
    held = {"_id": upload["_id"], "state": "open", "lock": upload["lock"]}
    values = {"received": size, "alive_until": min(alive, latest(upload))}
    if not uploads.uploads(app().store).update_one(held, {"$set": values}).matched_count:
        raise Problem(409, "upload_locked")
    upload.update(values)


def latest(upload: uploads.Upload) -> Any:
    """Return the moment after which an upload is over however alive it is: twice its first term."""
    return upload["since"] + timedelta(seconds=2 * upload["silence"])


def finish(upload: uploads.Upload) -> None:
    """Record the job that processes the whole file."""
    job = uploads.complete(app().store, upload, upload["length"])
    if job is None:
        uploads.abandon(app().store, upload)
        raise Problem(410, "gone", headers=TUS)
    upload["state"] = "complete"


def leave(upload: uploads.Upload, refused: AccessEnded) -> None:
    """Stop where the access ended. A suspended account's upload is given up; else its owner can sign in and go on."""
    # A suspension ends sessions too, and that may be seen first.
    if refused.suspended or not is_active(app().store, upload["owner"]):
        uploads.abandon(app().store, upload)
    drain(request)
