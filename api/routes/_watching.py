"""Who may watch a video that he may read: its password, its age restriction, its downloads."""

from typing import Any

from flask import current_app, g, request

from api.routes._engagement import Document, services
from policy.access import CHALLENGE
from policy.match import matches
from policy.problem import Problem
from services import unlocking

KEY: dict[str, Any] = {
    "name": "unlock", "in": "query", "schema": {"type": "string"},
    "description": "The key of a protected video, from its `unlock`.",
}  # fmt: skip


def require_file(video: Document) -> None:
    """Refuse what needs the file of a video that says it is READY and has none: bulk data, old errors."""
    if not matches(video, current_app.registry["videos"].states["status"].invariants["READY"]):  # type: ignore[attr-defined]
        raise Problem(409, "illegal_state", "Its file is not here. Upload it again.")


def require_watchable(video: Document) -> None:
    """Refuse who may read the video and not watch it: strangers to its password, and minors for all we know."""
    if g.caller.id is not None and (g.caller.id == video["owner"] or g.caller.role in ("moderator", "admin")):
        return
    if video.get("age_restricted") and not g.caller.signed_in:
        raise Problem(401, "unauthenticated", "Sign in to watch this.", headers=CHALLENGE)
    if video.get("protected") and not unlocking.opens(
        services(), video["_id"], request.args.get("unlock", "")
    ):
        raise Problem(403, "locked")
