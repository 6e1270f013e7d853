"""What each person is owed to be told, one by one: a notification is told in parts, and each part can be undone.

A part is one thing and one person. It is `owed` until it is told, and owed again when what it tells of is hidden
before anybody has read it. Being told is written in one transaction with the notification that tells it, so that a
process that dies leaves both or neither. A part that was read, or whose notification was dismissed, is done with.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import InsertOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError
from redis.exceptions import RedisError

from clients import clock
from features.notices.people import NOTIFICATIONS, facts_of
from machine.declare.notice import Notice
from machine.declare.resource import Resource
from machine.write.parents import ParentGone
from machine.write.races import AlreadyThere
from machine.write.store import Store

Part = dict[str, Any]
Document = Mapping[str, Any]
PARTS = "notice_parts"
OWED, TOLD = "owed", "told"
ROUNDS = 5


def parts_of(store: Store) -> Any:
    """Return the collection. `turn` is the event at which a part fell due, None where it is due once for all."""
    return store.services.db[PARTS]


def owe(
    store: Store,
    resource: Resource,
    document: Document,
    dues: Mapping[Any, Notice],
    event: Document | None = None,
) -> None:
    """Write down what people are owed, each thing once; None stands for all followers together."""
    if not dues:
        return
    writes = []
    for person, notice in dues.items():
        part = new_part(resource, document, notice, person, event)
        key = {name: part.pop(name) for name in ("subject", "user", "turn")}
        writes.append(UpdateOne(key, {"$setOnInsert": part}, upsert=True))
    try:
        parts_of(store).bulk_write(writes, ordered=False)
    except BulkWriteError as error:  # another process wrote the same at this moment
        if any(one["code"] != 11000 for one in error.details["writeErrors"]):
            raise


def new_part(
    resource: Resource, document: Document, notice: Notice, person: Any, event: Document | None = None
) -> Part:
    """Return a part that is owed. `above`: what must be seen for it to be seen, the document itself at the least."""
    moment = event["type"].partition(".")[2] if event and len(notice.on) > 1 else None
    return {
        "resource": resource.name,
        "subject": document["_id"],
        "above": document[resource.readable_with] if resource.readable_with else document["_id"],
        "kind": notice.kind,
        "user": person,
        "turn": event["_id"] if event else None,
        "detail": moment,
        "state": OWED,
        "notification": None,
        "digest": None,
        "at": clock.now(),
    }


def notice_of(store: Store, part: Part) -> Notice | None:
    """Return the declaration of a part, None where it is declared no longer."""
    return next((one for one in store.registry[part["resource"]].notices if one.kind == part["kind"]), None)


def group_of(notice: Notice, document: Document, part: Part) -> str:
    """Return the name under which unread ones are one."""
    outcome = f":{part['detail']}" if part["detail"] else ""
    return f"{notice.kind}:{document.get(notice.by)}{outcome}"


def tell(store: Store, resource: Resource, document: Document, notice: Notice, parts: list[Part]) -> None:
    """Tell what is owed of a document, in one transaction; what was told meanwhile is left out.

    Parts without `_id` are new. Who does not want this kind has been asked: their part counts as told.
    """
    rung: set[Any] = set()

    def write(session: ClientSession) -> None:
        rung.clear()
        fresh = still_owed(store, parts, session)
        unwanted = {
            "_id": {"$in": [one["user"] for one in fresh]},
            f"settings.notifications.{notice.kind}": False,
        }
        silent = {one["_id"] for one in store.collection("users").find(unwanted, {"_id": 1}, session=session)}
        writes: list[Any] = []
        for part in fresh:
            moment, told_in = clock.now(), None
            if part["user"] not in silent:
                told_in = add(store, resource, document, notice, part, moment, session)
                rung.add(part["user"])
            values = {"state": TOLD, "notification": told_in, "at": moment}
            if "_id" in part:
                writes.append(UpdateOne({"_id": part["_id"]}, {"$set": values}))
            else:
                writes.append(InsertOne({**part, **values}))
        if writes:
            parts_of(store).bulk_write(writes, session=session)

    if attempt(store, write):
        for person in rung:
            ring(store, person)
    elif len(parts) > 1:  # one of them may have left: the others are told by themselves
        for part in parts:
            tell(store, resource, document, notice, [part])


def attempt(store: Store, write: Any) -> bool:
    """Run a transaction, again where somebody else was first with the same; False where what it tells of is gone."""
    for round_ in range(ROUNDS):
        try:
            store.in_transaction(write)
            return True
        except ParentGone:
            return False
        except (AlreadyThere, BulkWriteError, DuplicateKeyError):
            if round_ == ROUNDS - 1:
                raise
    return False


def still_owed(store: Store, parts: list[Part], session: ClientSession) -> list[Part]:
    """Return those of the parts that nobody has told yet."""
    known = {
        (one["subject"], one["user"], one["turn"]): one
        for one in parts_of(store).find(
            {
                "subject": {"$in": list({one["subject"] for one in parts})},
                "user": {"$in": [one["user"] for one in parts]},
            },
            session=session,
        )
    }
    found = []
    for part in parts:
        stored = known.get((part["subject"], part["user"], part["turn"]))
        if stored is None and "_id" not in part:
            found.append(part)
        elif stored is not None and stored["state"] == OWED:
            found.append(stored)
    return found


def add(
    store: Store, resource: Resource, document: Document, notice: Notice, part: Part, moment: datetime,
    session: ClientSession,
) -> ObjectId:  # fmt: skip
    """Add to the person's unread notification of this group, or begin one; return which it is."""
    key = {"user": part["user"], "group": group_of(notice, document, part)}
    values = {**facts_of(store, resource, document, notice), "detail": part["detail"], "happened_at": moment}
    match = {**key, "unread": True}
    after = store.change(NOTIFICATIONS, match, set=values, inc={"count": 1}, session=session)
    if after is None:
        fresh = {"kind": notice.kind, "count": 1, "unread": True, "read_at": None}
        after = store.insert(NOTIFICATIONS, {**key, **values, **fresh}, session=session)
    found: ObjectId = after["_id"]
    return found


def withdraw(store: Store, parts: list[Part], gone: bool = False) -> None:
    """Take parts out of the notifications that tell them: what is left there stays as it was, read or unread.

    Only what is unread is taken back, unless what it tells of is `gone`: that leads nowhere any more.
    """

    def write(session: ClientSession) -> None:
        told = list(
            parts_of(store).find(
                {"_id": {"$in": [one["_id"] for one in parts]}, "state": TOLD}, session=session
            )
        )
        counts = Counter(one["notification"] for one in told if one["notification"])
        taken = []
        for id_, count in counts.items():
            notification = store.get(NOTIFICATIONS, id_, session)
            if notification is None or not (notification["unread"] or gone):
                continue
            mine = [one["_id"] for one in told if one["notification"] == id_]
            parts_of(store).update_many(
                {"_id": {"$in": mine}}, {"$set": {"state": OWED, "notification": None}}, session=session
            )
            taken.append((notification, count))
        for notification, count in taken:
            shrink(store, notification, count, session)

    attempt(store, write)


def shrink(store: Store, notification: Document, by: int, session: ClientSession) -> None:
    """Lower the count of a notification, which then speaks of the latest thing left; the last takes it along."""
    if notification["count"] <= by:
        store.erase(NOTIFICATIONS, dict(notification), session)
        return
    values: dict[str, Any] = {}
    left = parts_of(store).find({"notification": notification["_id"], "state": TOLD}, session=session)
    for part in left.sort("at", -1).limit(ROUNDS):
        document, notice = store.get(part["resource"], part["subject"], session), notice_of(store, part)
        if document is not None and notice is not None:
            facts = facts_of(store, store.registry[part["resource"]], document, notice)
            values = {**facts, "happened_at": part["at"]}
            break
    match = {"_id": notification["_id"]}
    store.change(NOTIFICATIONS, match, set=values, inc={"count": -by}, session=session)


def ring(store: Store, user: ObjectId) -> None:
    """Wake the streams of a user; without Redis they look by themselves a little later."""
    try:
        store.services.redis.publish(f"notices:{user}", b"")
    except RedisError:
        return
