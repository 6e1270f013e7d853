"""Play a video: URLs that work without headers until they expire, for those who may watch it."""

import time
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from flask import Blueprint, Response

from features.current import app
from features.playback.signed_texts import (
    PARAMETERS,
    for_players,
    require_same_state,
    require_signature,
    signed_url,
)
from features.playback.storyboard_track import write_vtt
from features.playback.watchable import KEY, require_file, require_watchable
from machine.current import g
from machine.http.problem import Problem
from machine.http.route import ELSEWHERE, action, route, send_on
from machine.http.shape import COUNT, LINKS, MOMENT, NUMBER, TEXT, Shape, rows
from settings import PREFIX

blueprint = Blueprint("playback", __name__)
# The sheet as it is stored; a transformation, so that the token opens no original.
SHEET_EAGER = "c_limit,w_1600/jpg"
# How long the URL of a picture works at most, in seconds: of a video that everyone may watch, and of any other.
PICTURE_SECONDS, GUARDED_PICTURE_SECONDS = 3600, 900
REDIRECT_SECONDS = 300
URL = {"type": "string", "nullable": True}
PLAYBACK = Shape("Playback", {
    "hls": URL, "mp4": URL, "thumbnail": URL, "storyboard": URL,
    "duration": NUMBER, "expires_at": MOMENT,
    "renditions": rows({"name": TEXT, "width": COUNT, "height": COUNT, "bytes": COUNT, "url": TEXT}),
    "captions": rows({"language": TEXT, "label": URL, "url": TEXT}),
    "_links": LINKS,
})  # fmt: skip


@action(
    blueprint,
    "videos",
    "playback",
    answers={200: "URLs, and until when they work."},
    returns=PLAYBACK,
    parameters=(KEY,),
    reasons=["locked"],
)
def playback(doc: dict[str, Any]) -> dict[str, Any]:
    """Sign the URLs of the stream, the files and the pictures."""
    expires = require_watchable(doc)
    require_file(doc)
    media, file = app().services.media, doc["media"]

    def signed(eager: str) -> str:
        url: str = media.url(file["public_id"], file["version"], eager, expires)
        return url

    renditions = [
        {name: one[name] for name in ("name", "width", "height", "bytes")} | {"url": signed(one["eager"])}
        for one in doc["renditions"]
    ]
    href = f"{PREFIX}/videos/{doc['_id']}"
    return {
        "hls": signed(doc["hls"]),
        "mp4": renditions[-1]["url"],
        "thumbnail": picture_url(doc, expires),
        "renditions": renditions,
        "storyboard": storyboard_link(doc, expires),
        "captions": [caption_link(doc, one, expires) for one in captions_of(doc)],
        "duration": doc["duration"],
        "expires_at": datetime.fromtimestamp(expires, UTC),
        "_links": {
            "self": {"href": f"{href}/playback", "title": "Playback"},
            "video": {"href": href, "title": "Video"},
        },
    }


@route(blueprint, "GET", "/videos/<objectid:id_>/thumbnail", access="anyone", tag="videos",
       summary="The picture of a video", returns=ELSEWHERE, operation="redirectToThumbnail",
       answers={200: "The URL, for a script that asks for JSON.", 302: "Where the picture is, for a while."},
       reasons=["not_found"])  # fmt: skip
def thumbnail(id_: ObjectId) -> Response:
    """Redirect to the picture, for those who may read the video."""
    video = app().reads.document("videos", id_, g.caller)
    if not video.get("thumbnails") or not video.get("media"):
        raise Problem(404, "not_found")
    expires = picture_expiry(video)
    answer = send_on(picture_url(video, expires))
    kept = max(0, min(REDIRECT_SECONDS, expires - int(time.time())))
    answer.headers["Cache-Control"] = f"private, max-age={kept}"
    return answer


def picture_expiry(video: dict[str, Any]) -> int:
    """Return until when the URL of a picture works, in Unix seconds: never longer than playback would.

    A video that is taken back, blocked or deleted keeps no picture for hours, and one that not everyone may watch ends
    sooner still. In steps, rounded down, so that caches see the same URL for a while.
    """
    is_open = (
        video["visibility"] == "public" and not video.get("protected") and not video.get("age_restricted")
    )
    longest = PICTURE_SECONDS if is_open else GUARDED_PICTURE_SECONDS
    life = int(min(app().settings.playback_seconds, longest))
    step = max(1, life // 4)
    return (int(time.time()) + life) // step * step


@route(blueprint, "GET", "/captions/<objectid:id_>/vtt", access="anyone", identify=False, tag="captions",
       summary="A caption file, for a player", answers={200: "WebVTT."}, content="text/vtt",
       reasons=["forbidden", "not_found"],
       parameters=PARAMETERS)  # fmt: skip
def caption_file(id_: ObjectId) -> Response:
    """Answer the file to everybody who holds a URL that has not expired."""
    expires = require_signature(f"/captions/{id_}/vtt")
    caption = app().store.get("captions", id_)
    if caption is None:
        raise Problem(404, "not_found")
    require_same_state(app().store.get("videos", caption["video"]))
    return for_players(caption["text"], expires)


@route(blueprint, "GET", "/videos/<objectid:id_>/storyboard", access="anyone", identify=False, tag="videos",
       summary="The small pictures of a seek bar, for a player", answers={200: "WebVTT with parts of a picture."},
       content="text/vtt", reasons=["forbidden", "not_found"], parameters=PARAMETERS)  # fmt: skip
def storyboard(id_: ObjectId) -> Response:
    """Answer the list of pictures to everybody who holds a URL that has not expired."""
    expires = require_signature(f"/videos/{id_}/storyboard")
    video = require_same_state(app().store.get("videos", id_))
    sheet = video.get("storyboard")
    if not sheet:
        raise Problem(404, "not_found")
    url = app().services.media.url(sheet["public_id"], sheet["version"], SHEET_EAGER, expires, "image")
    return for_players(write_vtt(sheet, url, video["duration"]), expires)


def storyboard_link(video: dict[str, Any], expires: int) -> str | None:
    """Return the URL of the storyboard, if there is one."""
    if not video.get("storyboard"):
        return None
    return signed_url(f"/videos/{video['_id']}/storyboard", video, expires)


def captions_of(video: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the captions of a video, oldest first."""
    found = app().store.collection("captions").find({"video": video["_id"]}, {"text": 0})
    return list(found.sort("_id", 1).limit(100))


def caption_link(video: dict[str, Any], caption: dict[str, Any], expires: int) -> dict[str, Any]:
    """Return the language of a caption file and a URL that works without headers."""
    url = signed_url(f"/captions/{caption['_id']}/vtt", video, expires)
    return {"language": caption["language"], "label": caption.get("label"), "url": url}


def picture_url(video: dict[str, Any], expires: int) -> str:
    """Sign the URL of the owner's own picture, or else of the large one from the film."""
    media = app().services.media
    cover, file = video.get("cover"), video["media"]
    if cover:
        url: str = media.url(cover["public_id"], cover["version"], cover["eager"], expires, "image")
    else:
        url = media.url(file["public_id"], file["version"], video["thumbnails"][-1]["eager"], expires)
    return url
