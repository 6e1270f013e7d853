"""Play a video: URLs that work without headers until they expire, for those who may watch it."""

import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from flask import Blueprint, Response, current_app, g, request

from api.route import ELSEWHERE, action, route, send_on
from api.routes._watching import KEY, require_file, require_watchable
from api.shape import COUNT, LINKS, MOMENT, NUMBER, TEXT, Shape, rows
from policy.problem import Problem
from services.storyboard import write_vtt
from settings import PREFIX

blueprint = Blueprint("playback", __name__)
SIGNED = (
    {"name": "expires", "in": "query", "schema": {"type": "integer"}},
    {"name": "signature", "in": "query", "schema": {"type": "string"}},
)
# The sheet as it is stored: a transformation gives the URL the form that tokens cover.
SHEET_EAGER = "c_limit,w_1600/jpg"
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
    summary="Get URLs to play it",
    answers={200: "URLs, and until when they work."},
    returns=PLAYBACK,
    parameters=(KEY,),
    reasons=["locked"],
)
def playback(doc: dict[str, Any]) -> dict[str, Any]:
    """Sign the URLs of the stream, the files and the pictures."""
    require_watchable(doc)
    require_file(doc)
    media, file = app().services.media, doc["media"]
    expires = int(time.time() + app().settings.playback_seconds)
    token = media.token(file["public_id"], file["version"], expires)

    def signed(eager: str) -> str:
        url: str = media.url(file["public_id"], file["version"], eager, token)
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
        "captions": [caption_link(one, expires) for one in captions_of(doc)],
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
    # In steps of an hour, so that caches may keep picture and redirect for a while.
    hour = 3600
    expires = (int(time.time() + app().settings.playback_seconds) // hour + 1) * hour
    answer = send_on(picture_url(video, expires))
    answer.headers["Cache-Control"] = "private, max-age=300"
    return answer


@route(blueprint, "GET", "/captions/<objectid:id_>/vtt", access="anyone", identify=False, tag="captions",
       summary="A caption file, for a player", answers={200: "WebVTT."}, content="text/vtt",
       reasons=["forbidden", "not_found"],
       parameters=SIGNED)  # fmt: skip
def caption_file(id_: ObjectId) -> Response:
    """Answer the file to whoever holds a URL that has not expired."""
    require_signature(f"caption:{id_}")
    caption = app().store.get("captions", id_)
    if caption is None:
        raise Problem(404, "not_found")
    return for_players(caption["text"])


def require_signature(what: str) -> int:
    """Refuse a URL that we did not sign, or whose time is over; return when it ends."""
    text = request.args.get("expires", "")
    expires = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
    signed = hmac.compare_digest(request.args.get("signature", "").encode(), sign(what, expires).encode())
    if not signed or expires < time.time():
        raise Problem(403, "forbidden", "The URL is not valid, or not any more.")
    return expires


def sign(what: str, expires: int) -> str:
    """Sign a URL of ours that works without headers."""
    message = f"{what}:{expires}".encode()
    return hmac.new(app().settings.secret_key.encode(), message, hashlib.sha256).hexdigest()


def signed_url(path: str, what: str, expires: int) -> str:
    """Return a URL of ours that works without headers until it expires."""
    where = f"{app().settings.public_url}{PREFIX}{path}"
    return f"{where}?expires={expires}&signature={sign(what, expires)}"


def for_players(text: str) -> Response:
    """Answer WebVTT. Players fetch it from other origins; the signature in the URL is what protects it."""
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "private, max-age=300"}
    return Response(text, mimetype="text/vtt", headers=headers)


@route(blueprint, "GET", "/videos/<objectid:id_>/storyboard", access="anyone", identify=False, tag="videos",
       summary="The small pictures of a seek bar, for a player", answers={200: "WebVTT with parts of a picture."},
       content="text/vtt", reasons=["forbidden", "not_found"], parameters=SIGNED)  # fmt: skip
def storyboard(id_: ObjectId) -> Response:
    """Answer the list of pictures to whoever holds a URL that has not expired."""
    expires = require_signature(f"storyboard:{id_}")
    video = app().store.get("videos", id_)
    if video is None or not video.get("storyboard"):
        raise Problem(404, "not_found")
    sheet, media = video["storyboard"], app().services.media
    token = media.token(sheet["public_id"], sheet["version"], expires, "image")
    url = media.url(sheet["public_id"], sheet["version"], SHEET_EAGER, token, "image")
    return for_players(write_vtt(sheet, url, video["duration"]))


def storyboard_link(video: dict[str, Any], expires: int) -> str | None:
    """Return the URL of the storyboard, if there is one."""
    if not video.get("storyboard"):
        return None
    return signed_url(f"/videos/{video['_id']}/storyboard", f"storyboard:{video['_id']}", expires)


def captions_of(video: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the captions of a video, oldest first."""
    found = app().store.collection("captions").find({"video": video["_id"]}, {"text": 0})
    return list(found.sort("_id", 1).limit(100))


def caption_link(caption: dict[str, Any], expires: int) -> dict[str, Any]:
    """Return the language of a caption file and a URL that works without headers."""
    url = signed_url(f"/captions/{caption['_id']}/vtt", f"caption:{caption['_id']}", expires)
    return {"language": caption["language"], "label": caption.get("label"), "url": url}


def picture_url(video: dict[str, Any], expires: int) -> str:
    """Sign the URL of the owner's own picture, or else of the large one from the film."""
    media = app().services.media
    cover = video.get("cover")
    if cover:
        token = media.token(cover["public_id"], cover["version"], expires, "image")
        url: str = media.url(cover["public_id"], cover["version"], cover["eager"], token, "image")
        return url
    file = video["media"]
    token = media.token(file["public_id"], file["version"], expires)
    url = media.url(file["public_id"], file["version"], video["thumbnails"][-1]["eager"], token)
    return url


def app() -> Any:
    """Return the application at hand."""
    return current_app
