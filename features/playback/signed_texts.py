"""URLs of texts that we serve to players without headers: each opens one text, no longer than its right."""

import hashlib
import hmac
import time
from typing import Any

from flask import Response, request

from features.current import services
from machine.http.problem import Problem
from settings import PREFIX

PARAMETERS = (
    {"name": "expires", "in": "query", "schema": {"type": "integer"}},
    {"name": "state", "in": "query", "schema": {"type": "string"}},
    {"name": "signature", "in": "query", "schema": {"type": "string"}},
)
KEPT_SECONDS = 300


def signed_url(path: str, video: dict[str, Any], expires: int) -> str:
    """Return the URL of a text about a video.

    It works until it expires (Unix seconds), or until others may watch the video than when it was signed.
    """
    state = state_of(video)
    where = f"{services().settings.public_url}{PREFIX}{path}"
    return f"{where}?expires={expires}&state={state}&signature={sign(path, expires, state)}"


def require_signature(path: str) -> int:
    """Refuse a URL that we did not sign, or whose time is over; return when it ends."""
    text, state = request.args.get("expires", ""), request.args.get("state", "")
    expires = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
    right = sign(path, expires, state)
    if not hmac.compare_digest(request.args.get("signature", "").encode(), right.encode()):
        raise over()
    if expires < time.time():
        raise over()
    return expires


def require_same_state(video: dict[str, Any] | None) -> dict[str, Any]:
    """Return the video, unless it is gone, blocked, replaced, or for others than when the URL was signed."""
    if video is None or video.get("deleted_at") or video["status"] == "BLOCKED":
        raise over()
    if request.args.get("state", "") != state_of(video):
        raise over()
    return video


def state_of(video: dict[str, Any]) -> str:
    """Return a word that changes with the file of a video and with who may watch it."""
    names = ("visibility", "protected", "age_restricted")
    facts = [str(video.get(name)) for name in names] + [str((video.get("media") or {}).get("public_id"))]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def sign(path: str, expires: int, state: str) -> str:
    """Sign a URL of ours: what it shows, until when, and for which state of the video."""
    message = f"{path}:{expires}:{state}".encode("utf-8", "replace")
    return hmac.new(services().settings.secret_key.encode(), message, hashlib.sha256).hexdigest()


def over() -> Problem:
    """Return the one refusal, which does not tell what was wrong."""
    return Problem(403, "forbidden", "The URL is not valid, or not any more.")


def for_players(text: str, expires: int) -> Response:
    """Answer WebVTT. Players fetch it from other origins; the signature in the URL is what protects it."""
    kept = max(0, min(KEPT_SECONDS, expires - int(time.time())))
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": f"private, max-age={kept}"}
    return Response(text, mimetype="text/vtt", headers=headers)
