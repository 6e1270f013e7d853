"""Who may watch a video, of those who may read it: its password, its age restriction, its downloads."""

import time
from typing import Any

from flask import request

from features.current import Document, services, store
from features.playback.unlocking import expiry, opens
from machine.access.rights import CHALLENGE, oversees, owns, towards
from machine.current import g
from machine.declare.match import matches
from machine.http.problem import Problem

KEY: dict[str, Any] = {
    "name": "unlock", "in": "query", "schema": {"type": "string"},
    "description": "The key of a protected video, from its `unlock`.",
}  # fmt: skip


def require_file(video: Document) -> None:
    """Refuse what needs the file of a video that says it is READY and has none: bulk data, old errors."""
    ready = store().registry["videos"].states["status"].invariants["READY"]
    if not matches(video, ready) or not video["renditions"]:
        raise Problem(409, "illegal_state", "Its file is not here. Upload it again.")


def require_watchable(video: Document) -> int:
    """Refuse who may read the video and not watch it: strangers to its password, and minors for all we know.

    Return the moment, in Unix seconds, until which what is handed out to watch it may work: no key of a protected
    video gives URLs that outlive it.
    """
    videos = store().registry["videos"]
    expires = int(time.time() + services().settings.playback_seconds)
    if owns(videos, video, g.caller) or oversees(videos, g.caller):
        return expires
    if video.get("age_restricted") and not towards(videos, g.caller).signed_in:
        raise Problem(401, "unauthenticated", "Sign in to watch this.", headers=CHALLENGE)
    if not video.get("protected"):
        return expires
    key = request.args.get("unlock", "")
    if not opens(services(), video["_id"], key):
        raise Problem(403, "locked")
    return min(expires, expiry(key))
