"""Notifications: mark them read, and a live stream of them that survives a lost connection."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from bson import ObjectId
from flask import Blueprint, Response, request

from clients import clock
from features.current import Document, app, shown, store
from machine.access.rights import OWNER_WORDS
from machine.current import g
from machine.http.route import action, route
from machine.http.shape import COUNT, Shape
from machine.streams.sse import Position, read_position, write_event, write_position
from machine.streams.streams import STREAM

blueprint = Blueprint("notifications", __name__)
# How many notifications a stream reads at once.
PAGE = 100
MOST_UNREAD = 100
# What the routes of one's own notifications have in common.
MINE: dict[str, Any] = {"access": "user", "scope": "notifications", "tag": "notifications"}


@action(blueprint, "notifications", "read", answers={200: "It is read."}, returns="notifications")
def read_one(doc: Document) -> Document:
    """Mark one as read; again changes nothing."""
    if doc.get("unread"):
        store().change("notifications", {"_id": doc["_id"], "unread": True}, set=as_read())
    return shown("notifications", store().get("notifications", doc["_id"]) or doc)


@route(
    blueprint,
    "POST",
    "/me/notifications/read",
    **MINE,
    summary="Mark all as read",
    answers={200: "How many were unread."},
    returns=Shape("NotificationsRead", {"read": COUNT}),
    operation="readAllNotifications",
)
def read_all() -> dict[str, int]:
    """Mark everything that is unread now as read."""
    notifications, count = store().collection("notifications"), 0
    for one in list(notifications.find({"user": g.caller.id, "unread": True}, {"_id": 1})):
        count += (
            store().change("notifications", {"_id": one["_id"], "unread": True}, set=as_read()) is not None
        )
    return {"read": count}


@route(
    blueprint,
    "GET",
    "/me/notifications/unread",
    **MINE,
    summary="How many are unread",
    answers={200: f"`unread`: counted up to {MOST_UNREAD}."},
    returns=Shape("NotificationsUnread", {"unread": COUNT}),
    operation="countUnread",
)
def unread() -> dict[str, int]:
    """Count the unread ones, as far as anybody cares."""
    match = {"user": g.caller.id, "unread": True}
    return {"unread": store().collection("notifications").count_documents(match, limit=MOST_UNREAD)}


def as_read() -> Document:
    """Return what marks a notification as read."""
    return {"unread": False, "read_at": clock.second()}


@route(
    blueprint,
    "GET",
    "/me/stream",
    **MINE,
    summary="Notifications as they come",
    description="Server-sent events. Reconnect with `Last-Event-ID`: nothing is missed. It ends after a minute; an "
    "event `end` with a `reason` tells of an end before that: `access_ended`, `too_many`, `unavailable`.",
    answers={200: "text/event-stream"},
    content="text/event-stream",
    operation="streamNotifications",
    reasons=["unavailable"],
)
def stream() -> Response:
    """Stream the caller's notifications."""
    position = read_position(request.headers.get("Last-Event-ID", ""))
    start = position or (clock.now(), ObjectId("0" * 24))
    opened = app().streams.open(g.caller, request.remote_addr or "", NOTICES, start)
    # Whoever sends it may do so without a thread of its own (machine/streams/asgi.py).
    request.environ[STREAM] = opened
    response = Response(opened)
    response.call_on_close(opened.close)
    response.mimetype = "text/event-stream"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


class Notices:
    """Feeds streams with notifications."""

    def channel(self, user: ObjectId) -> str:
        """Name the channel that rings for a user."""
        return f"notices:{user}"

    def after(self, app_: Any, user: ObjectId, position: Position) -> list[tuple[Position, bytes]]:
        """Return a user's notifications after a position, oldest first."""
        moment, id_ = position
        match = {
            "user": user,
            "happened_at": {"$gte": moment},
            "$or": [{"happened_at": {"$gt": moment}}, {"_id": {"$gt": id_}}],
        }
        order = [("happened_at", 1), ("_id", 1)]
        found = app_.store.collection("notifications").find(match).sort(order).limit(PAGE)
        return [self.write(app_, one) for one in found]

    def with_news(self, app_: Any, users: Collection[ObjectId], since: datetime) -> set[ObjectId]:
        """Return those of the users who were notified since a moment."""
        match = {"user": {"$in": list(users)}, "happened_at": {"$gte": since}}
        return set(app_.store.collection("notifications").distinct("user", match))

    def write(self, app_: Any, one: Document) -> tuple[Position, bytes]:
        """Return the position of a notification and the event that tells of it."""
        position = (one["happened_at"], one["_id"])
        shown_ = app_.reads["notifications"].represent(one, OWNER_WORDS)
        return position, write_event("notification", write_position(*position), shown_)


NOTICES = Notices()
