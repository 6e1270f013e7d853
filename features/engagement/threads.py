"""Where a comment belongs, whether it is allowed there, and what is left of a thread when one is deleted."""

from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.database import Database

from features.engagement.mentions import find_mentioned
from machine.access.caller import Caller
from machine.http.problem import Problem
from machine.read.places import Place
from machine.write.parents import ParentGone
from machine.write.store import Store

Document = dict[str, Any]
# What a comment must still be when it is erased: a reply that came meanwhile would go with it.
UNANSWERED = {"counters.replies": 0}


def place_reply(store: Store, comment: Document) -> None:
    """Fill in the thread of a new comment: a reply to a reply stands in the same thread and names whom it answers."""
    if not comment.get("parent"):
        comment["parent"] = None
        if not comment.get("video"):
            raise Problem(422, "validation_failed", issues={"video": "required field"})
        return
    answered = store.get("comments", comment["parent"])
    if answered is None:
        raise ParentGone("parent")
    if comment.setdefault("video", answered["video"]) != answered["video"]:
        raise Problem(422, "validation_failed", issues={"parent": "belongs to another video"})
    if answered["status"] != "published" or answered.get("placeholder"):
        raise Problem(409, "illegal_state", "This comment cannot be answered.")
    comment["parent"] = answered.get("parent") or answered["_id"]
    comment["reply_to"] = answered["author"]


def admit(store: Store, comment: Document, caller: Caller, place: Place | None = None) -> None:
    """Fill in what the server knows of a new comment: its thread, its state and whom it mentions."""
    place_reply(store, comment)
    video = place.parent_named("video", comment["video"]) if place else None
    video = video or store.get("videos", comment["video"])
    comment["status"] = require_welcome(store.services.db, video, caller)
    comment["mentions"] = find_mentioned(store.services.db, comment["text"])


def require_welcome(db: Database[Any], video: Document | None, caller: Caller) -> str:
    """Return the state in which this caller's comment begins; refuse it where comments are off or they are blocked.

    404 where the video is gone, since a moment ago.
    """
    if video is None:
        raise Problem(404, "not_found")
    if video.get("comment_policy") == "off":
        raise Problem(403, "comments_off")
    if caller.id == video["owner"]:
        return "published"
    if is_blocked(db, caller.id, video["channel"]):
        raise Problem(403, "blocked")
    return "held" if video.get("comment_policy") == "approval" else "published"


def is_blocked(db: Database[Any], user: ObjectId | None, channel: ObjectId) -> bool:
    """Tell whether a user is blocked on the whole site or on this channel."""
    where = [{"scope": "site"}, {"scope": "channel", "channel": channel}]
    return db["blocks"].find_one({"user": user, "$or": where}, {"_id": 1}) is not None


def empty_out(store: Store, comment: Document) -> bool:
    """Leave only the place of a comment, if it is still the one that was read."""
    same = {"_id": comment["_id"], "_etag": comment["_etag"]}
    empty: Document = {
        "text": "",
        "author": None,
        "mentions": [],
        "pinned": False,
        "hearted": False,
        "placeholder": True,
    }
    pinned = {"_id": comment["video"], "pinned_comment": comment["_id"]}

    def write(session: ClientSession) -> bool:
        if store.change("comments", same, set=empty, session=session) is None:
            return False
        store.change("videos", pinned, set={"pinned_comment": None}, session=session)
        return True

    return store.in_transaction(write)


def erase_last(store: Store, parent: ObjectId | None) -> None:
    """Delete a placeholder that nothing stands below any more."""
    above = store.get("comments", parent) if parent else None
    if above and above.get("placeholder") and not store.collection("comments").find_one({"parent": parent}):
        store.erase("comments", above, match=UNANSWERED)
