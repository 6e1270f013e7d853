"""Turn events into notifications: whom they reach, how they are grouped, and who does not want them."""

from collections.abc import Iterable, Mapping
from typing import Any

from bson import ObjectId
from redis.exceptions import RedisError

from clients import clock
from machine.jobs.job import Run, job
from machine.write.parents import ParentGone
from machine.write.races import AlreadyThere
from machine.write.store import Store

Event = Mapping[str, Any]
BATCH = 500
ROUNDS = 5
KEPT_IDS = 50


def notify(store: Store, event: Event) -> None:
    """Notify the people an event concerns; many at once are left to a job."""
    kind, data = event["type"], event["data"] or {}
    if kind == "videos.published":
        owe_fan_out(store, event)
    elif kind in ("videos.READY", "videos.FAILED") and event.get("was", {}).get("status") != "BLOCKED":
        outcome = kind.partition(".")[2]
        facts = {"video": event["subject"], "detail": outcome}
        tell(store, event, [event["owner"]], "processing", f"processing:{event['subject']}:{outcome}", facts)
    elif kind in ("comments.created", "comments.published") and data.get("status") == "published":
        notify_of_comment(store, event, data)


def owe_fan_out(store: Store, event: Event) -> None:
    """Record the job that notifies the subscribers of a channel of a new video."""
    subject = {"resource": "videos", "id": event["subject"]}
    key, payload = f"fan_out:{event['subject']}", {"event": event["_id"], "after": None}
    store.services.jobs.owe("fan_out", subject, key, payload)


def notify_of_comment(store: Store, event: Event, comment: Mapping[str, Any]) -> None:
    """Notify who was answered, who was mentioned, and the video's owner; nobody twice, or of their own doing."""
    author, video = event["owner"], comment["video"]
    facts = {"actor": author, "video": video, "comment": event["subject"]}
    told: set[Any] = {author}
    parts: list[tuple[str, list[Any], str]] = [
        ("reply", [comment.get("reply_to")], f"reply:{comment.get('parent')}"),
        ("mention", comment.get("mentions") or [], f"mention:{event['subject']}"),
        ("comment", [event["user"]], f"comment:{video}"),
    ]
    for kind, users, group in parts:
        users = [user for user in users if user and user not in told]
        told |= set(users)
        tell(store, event, readers(store, users, video), kind, group, facts)


def readers(store: Store, users: list[Any], video_id: ObjectId) -> list[Any]:
    """Leave out those who may not see the video."""
    video = store.get("videos", video_id) if users else None
    if video is None or video.get("deleted_at"):
        return []
    open_to_all = video["visibility"] != "private" and video["status"] == "READY"
    return [user for user in users if open_to_all or user == video["owner"]]


def tell(
    store: Store, event: Event, users: Iterable[Any], kind: str, group: str, facts: Mapping[str, Any]
) -> None:
    """Give each of these users a notification, unless they have switched the kind off."""
    wanted = [user for user in users if user is not None]
    if not wanted:
        return
    unwanted = {"_id": {"$in": wanted}, f"settings.notifications.{kind}": False}
    silent = {one["_id"] for one in store.collection("users").find(unwanted, {"_id": 1})}
    for user in wanted:
        if user not in silent:
            add(store, user, event["_id"], kind, group, facts)


def add(
    store: Store, user: ObjectId, event_id: ObjectId, kind: str, group: str, facts: Mapping[str, Any]
) -> None:
    """Add to the user's unread notification of this group, or begin one; an event is added once."""
    notifications = store.collection("notifications")
    key = {"user": user, "group": group}
    if notifications.find_one({**key, "event_ids": event_id}, {"_id": 1}):
        return
    values = {**facts, "happened_at": clock.now()}
    for _ in range(ROUNDS):
        again = {**key, "unread": True, "event_ids": {"$ne": event_id}}
        push = {"event_ids": {"$each": [event_id], "$slice": -KEPT_IDS}}
        fresh = {"kind": kind, "count": 1, "unread": True, "read_at": None, "event_ids": [event_id]}
        try:
            if store.change("notifications", again, set=values, inc={"count": 1}, push=push):
                break
            store.insert("notifications", {**key, **values, **fresh})
            break
        except AlreadyThere:
            continue
        except ParentGone:  # what it would tell of, or whom
            return
    ring(store, user)


def ring(store: Store, user: ObjectId) -> None:
    """Wake the streams of a user; without Redis they look by themselves a little later."""
    try:
        store.services.redis.publish(f"notices:{user}", b"")
    except RedisError:
        return


@job("fan_out", attempts=10)
def fan_out(run: Run) -> None:
    """Tell the subscribers of a channel of a new video, some at a time; a new attempt goes on where one ended."""
    store = run.store
    video = store.get("videos", run.subject_id)
    if video is None or video.get("deleted_at") or video["visibility"] != "public":
        return
    event = {"_id": run.payload["event"]}
    facts = {"channel": video["channel"], "video": video["_id"], "actor": video["owner"]}
    while True:
        match: dict[str, Any] = {"channel": video["channel"], "level": "all"}
        if run.payload.get("after"):
            match["_id"] = {"$gt": run.payload["after"]}
        lot = list(store.collection("subscriptions").find(match).sort("_id", 1).limit(BATCH))
        if not lot:
            return
        run.check()
        users = [one["user"] for one in lot if one["user"] != video["owner"]]
        tell(store, event, users, "new_video", f"new_video:{video['_id']}", facts)
        run.keep(after=lot[-1]["_id"])
