"""Play a video: URLs that work without headers until they expire, for those who may watch it."""

import time
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from flask import Blueprint, Response, current_app, g

from api.route import action, route
from policy.problem import Problem
from settings import PREFIX

blueprint = Blueprint("playback", __name__)


@action(
    blueprint,
    "videos",
    "playback",
    summary="Get URLs to play it",
    answers={200: "URLs, and until when they work."},
)
def playback(doc: dict[str, Any]) -> dict[str, Any]:
    """Sign the URLs of the stream, the files and the pictures."""
    media, file = app().services.media, doc["media"]
    expires = int(time.time() + app().settings.playback_seconds)
    token = media.token(file["public_id"], file["version"], expires)

    def sign(eager: str) -> str:
        url: str = media.url(file["public_id"], file["version"], eager, token)
        return url

    renditions = [
        {name: one[name] for name in ("name", "width", "height", "bytes")} | {"url": sign(one["eager"])}
        for one in doc["renditions"]
    ]
    href = f"{PREFIX}/videos/{doc['_id']}"
    return {
        "hls": sign(doc["hls"]),
        "mp4": renditions[-1]["url"],
        "thumbnail": picture_url(doc, expires),
        "renditions": renditions,
        "duration": doc["duration"],
        "expires_at": datetime.fromtimestamp(expires, UTC),
        "_links": {
            "self": {"href": f"{href}/playback", "title": "Playback"},
            "video": {"href": href, "title": "Video"},
        },
    }


@route(blueprint, "GET", "/videos/<objectid:id_>/thumbnail", access="anyone", tag="videos",
       summary="The picture of a video", answers={302: "Where the picture is, for a while."},
       reasons=["not_found"])  # fmt: skip
def thumbnail(id_: ObjectId) -> Response:
    """Redirect to the picture, for those who may read the video."""
    video = app().reads.document("videos", id_, g.caller)
    if not video.get("thumbnails"):
        raise Problem(404, "not_found")
    # In steps of an hour, so that caches may keep picture and redirect for a while.
    hour = 3600
    expires = (int(time.time() + app().settings.playback_seconds) // hour + 1) * hour
    headers = {"Location": picture_url(video, expires), "Cache-Control": "private, max-age=300"}
    return Response(status=302, headers=headers)


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
