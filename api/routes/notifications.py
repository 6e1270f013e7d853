"""Notifications: mark them read, and a live stream of them that survives a lost connection."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from flask import Blueprint, Response, g, request
from redis.exceptions import RedisError

from api.route import action, route
from api.routes._engagement import Document, reads, shown, store
from api.shape import COUNT, Shape
from policy.caller import Caller
from policy.problem import Problem
from policy.store import Store, now
from services.sse import RETRY_MS, NoRoom, Position, read_position, slot, write_event, write_position

blueprint = Blueprint("notifications", __name__)
# A stream ends after this; the client comes back with its token checked anew and misses nothing.
STREAM_SECONDS, LOOK_SECONDS = 55.0, 10.0
MOST_UNREAD = 100


@action(
    blueprint,
    "notifications",
    "read",
    summary="Mark a notification as read",
    answers={200: "It is read."},
    returns="notifications",
)
def read_one(doc: Document) -> Document:
    """Mark one as read; again changes nothing."""
    if doc.get("unread"):
        store().change("notifications", {"_id": doc["_id"], "unread": True}, set=as_read())
    return shown("notifications", store().get("notifications", doc["_id"]) or doc)


@route(
    blueprint,
    "POST",
    "/me/notifications/read",
    access="user",
    scope="notifications",
    tag="notifications",
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
    access="user",
    scope="notifications",
    tag="notifications",
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
    return {"unread": False, "read_at": now()}


@route(
    blueprint,
    "GET",
    "/me/stream",
    access="user",
    scope="notifications",
    tag="notifications",
    summary="Notifications as they come",
    description="Server-sent events. Reconnect with `Last-Event-ID`: nothing is missed. It ends after a minute.",
    answers={200: "text/event-stream"},
    content="text/event-stream",
    operation="streamNotifications",
    reasons=["unavailable"],
)
def stream() -> Response:
    """Stream the caller's notifications."""
    position = read_position(request.headers.get("Last-Event-ID", ""))
    start = position or (datetime.now(UTC), ObjectId("0" * 24))
    room = slot(g.caller.id)
    try:
        room.__enter__()
    except NoRoom as error:
        raise Problem(503, "unavailable", "Too many streams.", headers={"Retry-After": "10"}) from error
    response = Response(follow(store(), reads(), g.caller, start, time.monotonic() + STREAM_SECONDS))
    response.call_on_close(lambda: room.__exit__(None, None, None))
    response.mimetype = "text/event-stream"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def follow(store_: Store, reads_: Any, caller: Caller, position: Position, end: float) -> Iterator[bytes]:
    """Yield what is new after a position, again and again; a bell in Redis says when to look, a clock else."""
    yield f"retry: {RETRY_MS}\n: {caller.username}\n\n".encode()
    reader, words = reads_["notifications"], frozenset(("anyone", "user", "owner"))
    bell = Bell(store_, caller.id)
    try:
        while time.monotonic() < end:
            for one in newer(store_, caller.id, position):
                position = (one["happened_at"], one["_id"])
                yield write_event("notification", write_position(*position), reader.represent(one, words))
            bell.wait(min(LOOK_SECONDS, max(0.1, end - time.monotonic())))
            yield b": still here\n\n"
    finally:
        bell.close()


def newer(store_: Store, user: ObjectId | None, position: Position) -> list[Document]:
    """Return a user's notifications after a position, oldest first."""
    moment, id_ = position
    match = {
        "user": user,
        "happened_at": {"$gte": moment},
        "$or": [{"happened_at": {"$gt": moment}}, {"_id": {"$gt": id_}}],
    }
    order = [("happened_at", 1), ("_id", 1)]
    return list(store_.collection("notifications").find(match).sort(order).limit(100))


class Bell:
    """Waits for word that something came; without Redis it just waits."""

    def __init__(self, store_: Store, user: ObjectId | None) -> None:
        self.pubsub: Any = None
        try:
            self.pubsub = store_.services.redis.pubsub(ignore_subscribe_messages=True)
            self.pubsub.subscribe(f"notices:{user}")
        except RedisError:
            self.pubsub = None

    def wait(self, seconds: float) -> None:
        """Return at the next word, or after so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.pubsub is None:
                    time.sleep(min(1.0, seconds))
                elif self.pubsub.get_message(timeout=min(5.0, max(0.0, end - time.monotonic()))):
                    return
            except RedisError:
                self.pubsub = None

    def close(self) -> None:
        """Stop listening."""
        if self.pubsub is not None:
            self.pubsub.close()
