"""Review of held views: a moderator lets what is held of a day count, or holds again what was let count."""

from typing import Any

from flask import Blueprint
from pymongo.client_session import ClientSession

from features.current import Document, shown, store
from machine.http.problem import Problem
from machine.http.route import action
from machine.write.audit_trail import name_deed

blueprint = Blueprint("held_views", __name__)
# What both have in common.
MOVED: dict[str, Any] = {
    "tag": "statistics",
    "description": "`views`: how many; all unless stated. Of held views neither watch time nor retention is known.",
    "body": {"views": {"type": "integer", "min": 1}},
    "body_optional": True,
    "answers": {200: "The day as it is now."},
    "returns": "video_stats",
}


def move(day: Document, asked: int | None, source: str, to: int) -> Document:
    """Move views between what counts and what is held; `to` is 1 where they count afterwards, -1 where no longer.

    The day, the video and its channel change as one. Problem 422 where that many are not there, 409 where none is.
    """

    def write(session: ClientSession) -> Document:
        now = store().get("video_stats", day["_id"], session)
        if now is None:
            raise Problem(404, "not_found")
        there = now.get(source) or 0
        if not there:
            raise Problem(409, "illegal_state")
        count = there if asked is None else asked
        if count > there:
            raise Problem(422, "validation_failed", issues={"views": f"there are {there}"})
        rise = {"views": to * count, "views_held": -to * count, "views_released": to * count}
        after = store().change("video_stats", {"_id": day["_id"]}, inc=rise, session=session)
        for name, field in (("videos", "video"), ("channels", "channel")):
            # A day of an older version names no channel.
            if now.get(field):
                counted = {"$inc": {"counters.views": to * count}}
                store().collection(name).update_one({"_id": now[field]}, counted, session=session)
                store().note_counted(name, [now[field]], session)
        return after or now

    name_deed(day["_id"], "views_released" if to > 0 else "views_held", views=asked)
    return shown("video_stats", store().in_transaction(write))


@action(blueprint, "video_stats", "release", **MOVED)
def release(doc: Document, body: Document) -> Document:
    """Count views that were held."""
    return move(doc, body.get("views"), "views_held", 1)


@action(blueprint, "video_stats", "hold", **MOVED)
def hold(doc: Document, body: Document) -> Document:
    """Undo a release."""
    return move(doc, body.get("views"), "views_released", -1)
