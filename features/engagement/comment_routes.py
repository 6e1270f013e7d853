"""What a channel's owner does with the comments below their videos: pin, heart, approve, reject."""

from typing import Any

from bson import ObjectId
from flask import Blueprint
from pymongo.client_session import ClientSession

from features.current import Document, shown, store
from machine.http.problem import Problem
from machine.http.route import action

blueprint = Blueprint("comments", __name__)
CHANGED: dict[str, Any] = {"answers": {200: "The comment as it is now."}, "returns": "comments"}


def change(doc: Document, **values: Any) -> Document:
    """Set values of a comment."""
    return shown("comments", store().change("comments", {"_id": doc["_id"]}, set=values))


def set_pin(video_id: ObjectId, comment_id: ObjectId, pinned: bool) -> None:
    """Make a comment the pinned one of its video, or no longer. The video decides: there is never a second one."""

    def write(session: ClientSession) -> None:
        video = store().get("videos", video_id, session) or {}
        present = video.get("pinned_comment")
        if pinned == (present == comment_id):
            return
        store().change(
            "videos",
            {"_id": video_id},
            set={"pinned_comment": comment_id if pinned else None},
            session=session,
        )
        if present:
            store().change("comments", {"_id": present}, set={"pinned": False}, session=session)
        if pinned:
            store().change("comments", {"_id": comment_id}, set={"pinned": True}, session=session)

    store().in_transaction(write)


def show(doc: Document) -> Document:
    """Return what the caller sees of a comment as it is now."""
    return shown("comments", store().get("comments", doc["_id"]))


@action(
    blueprint, "comments", "pin",
    description="At most one comment of a video is pinned; the one before is pinned no longer.",
    **CHANGED,
)  # fmt: skip
def pin(doc: Document) -> Document:
    """Pin a comment above all others."""
    set_pin(doc["video"], doc["_id"], True)
    return show(doc)


@action(blueprint, "comments", "unpin", **CHANGED)
def unpin(doc: Document) -> Document:
    """Undo a pin."""
    set_pin(doc["video"], doc["_id"], False)
    return show(doc)


@action(blueprint, "comments", "heart", **CHANGED)
def heart(doc: Document) -> Document:
    """Mark a comment as liked by the creator."""
    return change(doc, hearted=True)


@action(blueprint, "comments", "unheart", **CHANGED)
def unheart(doc: Document) -> Document:
    """Undo a heart."""
    return change(doc, hearted=False)


@action(blueprint, "comments", "approve", **CHANGED)
def approve(doc: Document) -> Document:
    """Publish a held or rejected comment."""
    return move(doc, "published")


@action(blueprint, "comments", "reject", **CHANGED)
def reject(doc: Document) -> Document:
    """Take a comment out of sight of all but its author and the channel."""
    if doc.get("pinned"):
        set_pin(doc["video"], doc["_id"], False)
    return move(doc, "rejected")


def move(doc: Document, state: str) -> Document:
    """Move a comment to a state, or say that this is not possible now."""
    after = store().move("comments", {"_id": doc["_id"]}, "status", state)
    if after is None:
        raise Problem(409, "illegal_state")
    return shown("comments", after)
