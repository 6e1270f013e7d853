"""Choose the thumbnail of a video: send a picture, or name a moment of the film."""

from typing import Any

from flask import Blueprint, request
from werkzeug.exceptions import ClientDisconnected

from features.current import app
from features.playback import require_file
from features.uploads.cover_jobs import owe_cover
from features.uploads.multipart import drain
from features.uploads.pictures import BadPicture, Busy, redraw
from features.uploads.routes import accepted
from machine.http.body import read_json
from machine.http.problem import Problem
from machine.http.route import action
from machine.http.shape import UPLOAD_ACCEPTED
from settings import MIB

blueprint = Blueprint("thumbnails", __name__)
LARGEST_BYTES = 8 * MIB
TYPES = ("image/jpeg", "image/png", "image/webp")
# What browsers and phones have called them, and some still do; what the bytes are is found out anyway.
ALIASES = ("image/jpg", "image/pjpeg", "image/x-png")


@action(
    blueprint, "videos", "thumbnail", stream=True, rate="upload",
    description="A picture (image/jpeg, image/png, image/webp) as the body, re-encoded by us; "
    'or JSON `{"at": seconds}` for a picture from the film.',
    accepts="image/jpeg, image/png, image/webp, application/json",
    answers={202: "It appears when the job is done."}, returns=UPLOAD_ACCEPTED,
    reasons=["not_an_image", "body_too_large", "unsupported_media_type", "validation_failed", "unavailable"],
)  # fmt: skip
def set_thumbnail(doc: dict[str, Any]) -> Any:
    """Check the picture or the moment, and leave the rest to a job."""
    require_file(doc)
    payload = read_moment(doc) if request.mimetype == "application/json" else read_picture()
    return accepted(doc["_id"], owe_cover(app().store, doc, payload)), 202


def read_moment(doc: dict[str, Any]) -> dict[str, Any]:
    """Read the moment of the film."""
    body = read_json(request, app().settings.body_max_bytes)
    at = body.get("at") if isinstance(body, dict) and set(body) == {"at"} else None
    if not isinstance(at, int | float) or isinstance(at, bool) or not 0 <= at < doc["duration"]:
        raise Problem(422, "validation_failed", issues={"at": f"seconds from 0 to below {doc['duration']}"})
    return {"at": float(at)}


def read_picture() -> dict[str, Any]:
    """Read a picture and draw it anew."""
    if request.mimetype not in TYPES + ALIASES:
        raise Problem(415, "unsupported_media_type", f"Send {', '.join(TYPES)} or application/json.")
    try:
        data = request.stream.read(LARGEST_BYTES + 1)
    except (ClientDisconnected, OSError) as error:
        raise Problem(400, "file_truncated") from error
    if len(data) > LARGEST_BYTES:
        drain(request)
        raise Problem(413, "body_too_large", f"At most {LARGEST_BYTES} bytes.")
    try:
        return {"image": redraw(data)}
    except BadPicture as error:
        raise Problem(415, "not_an_image", f"Not usable: {error}.") from error
    except Busy as error:
        raise Problem(503, "unavailable", headers={"Retry-After": "10"}) from error
