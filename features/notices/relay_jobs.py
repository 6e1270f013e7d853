"""Pass events on, in their order: as notifications to the people they concern, and to webhooks.

Every step can be repeated: an event is marked only after everything it entails is written, and what it entails is
unique by the event.
"""

from contextlib import suppress
from typing import Any

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from clients import clock, tracing
from features.notices.notify import notify
from machine.jobs.periodic import every
from machine.write.events import EVENTS
from machine.write.parents import ParentGone
from machine.write.races import AlreadyThere
from machine.write.store import Store

Event = dict[str, Any]
BATCH = 500
LOCK, LOCK_SECONDS = "events:relay", 30


@every("relay_seconds")
def relay_events(store: Store) -> int:
    """Pass on what has happened since the last time; return how many events that were."""
    # One at a time keeps the order; where the lock fails, the numbers may interleave and nothing else breaks.
    try:
        if not store.services.redis.set(LOCK, b"1", nx=True, ex=LOCK_SECONDS):
            return 0
    except RedisError:
        pass
    try:
        waiting = list(store.services.db[EVENTS].find({"relayed_at": None}).sort("_id", 1).limit(BATCH))
        for event in waiting:
            request_id = event.get("request_id")
            with bound_contextvars(request_id=request_id), tracing.span("relay", event.get("trace")):
                relay(store, event)
        return len(waiting)
    finally:
        release(store)


def release(store: Store) -> None:
    """Give the lock back; where Redis is gone it ends by itself."""
    try:
        store.services.redis.delete(LOCK)
    except RedisError:
        return


def relay(store: Store, event: Event) -> None:
    """Pass one event on and mark it."""
    event["user"] = concerned(store, event)
    if told := without_the_gone(store, event):
        event |= told
        store.services.db[EVENTS].update_one({"_id": event["_id"]}, {"$set": told})
    if event.get("seq") is None:
        event["seq"] = next_number(store)
        store.services.db[EVENTS].update_one({"_id": event["_id"]}, {"$set": {"seq": event["seq"]}})
    notify(store, event)
    if event["user"] is not None:
        owe_deliveries(store, event)
    marked = {"user": event["user"], "relayed_at": clock.now()}
    store.services.db[EVENTS].update_one({"_id": event["_id"]}, {"$set": marked})


def concerned(store: Store, event: Event) -> Any:
    """Return whose event it is: the owner of what it belongs to, or of the thing itself."""
    resource = store.registry[event["resource"]]
    if event["resource"] == "subscriptions":
        data: Any = event["data"] or event.get("was") or {}
        # A channel may not learn from its events who follows it in private.
        if data.get("visibility") != "public":
            return event["owner"]
        channel = store.get("channels", data.get("channel"))
        return channel["owner"] if channel else None
    if event.get("within") and resource.readable_with:
        above = store.registry[resource.references[resource.readable_with]]
        parent = store.get(above.name, event["within"])
        if parent and above.owner:
            return parent[above.owner]
    return event["owner"]


def without_the_gone(store: Store, event: Event) -> Event:
    """Return what must change in an event because somebody left while it waited: the cascade will not look again."""
    people = [one for one in (event["user"], event["owner"]) if one is not None]
    known = {one["_id"] for one in store.collection("users").find({"_id": {"$in": people}}, {"_id": 1})}
    told: Event = {} if event["user"] in known else {"user": None}
    return (
        told if event["owner"] is None or event["owner"] in known else {**told, "owner": None, "data": None}
    )


def next_number(store: Store) -> int:
    """Return the next number in the order of events."""
    after = store.services.db["sequences"].find_one_and_update(
        {"_id": "events"}, {"$inc": {"n": 1}}, upsert=True, return_document=ReturnDocument.AFTER
    )
    return int((after or {"n": 0})["n"])


def owe_deliveries(store: Store, event: Event) -> None:
    """Record one delivery to each active webhook that wants this event."""
    mine = {"owner": event["user"], "active": True}
    for webhook in store.collection("webhooks").find(mine):
        wanted = webhook.get("events") or []
        if not wanted or event["type"] in wanted:
            with suppress(ParentGone):  # the webhook, or whose it was
                owe_delivery(store, webhook, event)


def owe_delivery(store: Store, webhook: dict[str, Any], event: Event) -> Any:
    """Record a delivery and its job, once per webhook and event; return the delivery.

    What the payload holds is read in the same transaction, and the event is touched: whoever leaves meanwhile blanks
    the event either before, and nothing is copied, or after, and the copy is there to be found.
    """
    payload: dict[str, Any] = {
        "type": event["type"],
        "timestamp": event["happened_at"],
        "seq": event.get("seq"),
        "resource": event["resource"],
        "subject": event["subject"],
    }
    key = {"webhook": webhook["_id"], "event": event["_id"]}
    facts = {"owner": webhook["owner"], "type": event["type"], "attempts": 0}

    def write(session: ClientSession) -> tuple[Any, Any]:
        touched = {"$inc": {"copies": 1}}
        kept = store.services.db[EVENTS].find_one_and_update({"_id": event["_id"]}, touched, session=session)
        source = kept or event
        told = {"author": source.get("owner"), "payload": {**payload, "data": source["data"]}}
        delivery = store.insert("webhook_deliveries", {**key, **facts, **told}, session=session)
        subject = {"resource": "webhook_deliveries", "id": delivery["_id"]}
        name = f"deliver:{delivery['_id']}:0"
        job = store.services.jobs.record("deliver", subject, name, owner=webhook["owner"], session=session)
        return delivery, job

    try:
        delivery, job = store.in_transaction(write)
    except AlreadyThere:
        return store.collection("webhook_deliveries").find_one(key)
    store.services.jobs.announce(job["_id"])
    return delivery
