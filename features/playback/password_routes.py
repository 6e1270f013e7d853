"""Passwords of videos, and downloads where their owner allows them."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint

from features.current import Document, services, shown, store
from features.identity import complaint
from features.playback import unlocking
from features.playback.watchable import KEY, require_watchable
from machine.access.rate import forgive_use, limit_use
from machine.http.problem import Problem
from machine.http.route import action
from machine.http.shape import LINKS, MOMENT, TEXT, Shape
from machine.text.folding import fold
from schemas._fields import verbatim
from settings import PREFIX

blueprint = Blueprint("watching", __name__)
# New passwords keep to the rules of `complaint`; those that were set under older rules still open what they protect.
PASSWORD = {"password": verbatim(min=1, max=1024, required=True)}


def protect(doc: Document, protected: bool) -> Document:
    """Note on the video whether it has a password."""
    return shown("videos", store().change("videos", {"_id": doc["_id"]}, set={"protected": protected}))


@action(
    blueprint, "videos", "password", rate="sensitive", body=PASSWORD,
    answers={200: "The video. Keys made under the password before open it no longer."}, returns="videos",
)  # fmt: skip
def set_password(doc: Document, body: Document) -> Document:
    """Set or replace the password of a video."""
    wrong = complaint(body["password"])
    if fold(body["password"]) == fold(doc["title"]):
        wrong = "must differ from the title"
    if wrong:
        raise Problem(422, "validation_failed", issues={"password": wrong})
    unlocking.set_password(services(), doc["_id"], body["password"])
    return protect(doc, True)


@action(blueprint, "videos", "unprotect", answers={200: "The video."}, returns="videos")
def drop_password(doc: Document) -> Document:
    """Protect a video no longer."""
    unlocking.drop_password(services(), doc["_id"])
    return protect(doc, False)


@action(
    blueprint, "videos", "unlock", rate="unlock", body=PASSWORD,
    answers={200: "`unlock`: the key for `?unlock=` of playback and download, and until when it works."},
    returns=Shape("Unlocked", {"unlock": TEXT, "expires_at": MOMENT, "_links": LINKS}),
    reasons=["locked", "rate_limited"],
)  # fmt: skip
def unlock(doc: Document, body: Document) -> Document:
    """Trade the password for a key."""
    limit_use("unlock", video=str(doc["_id"]))
    opened = unlocking.unlock(services(), doc["_id"], body["password"])
    if opened is None:
        raise Problem(403, "locked", "The password is wrong.")
    forgive_use("unlock", video=str(doc["_id"]))
    key, expires = opened
    href = f"{PREFIX}/videos/{doc['_id']}/playback?unlock={key}"
    links = {"playback": {"href": href, "title": "Playback"}}
    return {"unlock": key, "expires_at": datetime.fromtimestamp(expires, UTC), "_links": links}


@action(
    blueprint, "videos", "download", parameters=(KEY,),
    answers={200: "The URL of the largest MP4, and until when it works."}, reasons=["locked"],
    returns=Shape("Download", {
        "url": TEXT, "bytes": {"type": "integer", "nullable": True}, "filename": TEXT, "expires_at": MOMENT,
    }),
)  # fmt: skip
def download(doc: Document) -> dict[str, Any]:
    """Sign the URL of the file, where the owner offers it."""
    expires = require_watchable(doc)
    media, file = services().media, doc.get("media")
    if not file or not doc.get("renditions"):
        raise Problem(404, "not_found")
    best = doc["renditions"][-1]
    return {
        "url": media.url(file["public_id"], file["version"], best["eager"], expires),
        "bytes": best.get("bytes"),
        "filename": f"{doc['_id']}.mp4",
        "expires_at": datetime.fromtimestamp(expires, UTC),
    }
