"""E-mail digests: what is unread, once a day or a week, for those who asked for it and confirmed their address."""

from collections import Counter
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from clients import clock
from clients.mail import CannotCarry
from features.notices.parts import TOLD, parts_of
from machine.access.caller import Caller
from machine.access.rights import query_by_link
from machine.jobs.job import GiveUp, Run, job
from machine.jobs.periodic import every
from machine.write.store import Store

Document = dict[str, Any]
PERIODS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
SENT = "digests"
MOST_LINES = 30
LINE = "\n"
SENTENCES = {
    "new_video": "New video: {video}",
    "reply": "{count} new replies to you under {video}",
    "mention": "You were mentioned under {video}",
    "comment": "{count} new comments under {video}",
    "processing": "{video}: {detail}",
}


@every("digest_seconds")
def owe_digests(store: Store) -> int:
    """Record a digest for everybody whose last one is long enough ago; return how many that were."""
    owed = 0
    for period, span in PERIODS.items():
        wanting = {"settings.digest": period, "status": "active", "email": {"$ne": None}}
        for user in store.collection("users").find(wanting, {"_id": 1}).sort("_id", 1):
            job_ = owe_digest(store, user["_id"], span)
            if job_ is not None:
                store.services.jobs.announce(job_["_id"])
                owed += 1
    return owed


def owe_digest(store: Store, user: ObjectId, span: timedelta) -> Document | None:
    """Take the turn of a user's digest and record its job, both or neither; None where it is not due, or taken."""
    moment = clock.second()

    def write(session: ClientSession) -> Document:
        due = {"_id": user, "sent_at": {"$lte": moment - span}}
        taken = {"$set": {"sent_at": moment}}
        before = store.services.db[SENT].find_one_and_update(due, taken, upsert=True, session=session)
        # One span more than since the last one: what a letter could not be sent of is told by the next.
        payload = {"since": (before["sent_at"] if before else moment) - span}
        subject, key = {"resource": "users", "id": user}, f"digest:{user}:{ObjectId()}"
        return store.services.jobs.record("digest", subject, key, payload, owner=user, session=session)

    try:
        return store.in_transaction(write)
    except DuplicateKeyError:
        return None


def release(run: Run, error: Document, session: ClientSession) -> None:
    """Leave to the next digest what this one could not tell."""
    mine = {"user": run.subject_id, "digest": run.job["_id"]}
    parts_of(run.store).update_many(mine, {"$set": {"digest": None}}, session=session)


@job("digest", attempts=5, on_failure=release)
def send_digest(run: Run) -> None:
    """Write one digest; nothing where nothing is unread."""
    store = run.store
    user = store.get("users", run.subject_id)
    if user is None or not user.get("email"):
        return
    found = untold(run)
    if not found:
        return
    lines = [f"- {line}" for line in sentences(store, user, found[:MOST_LINES])]
    if len(found) > MOST_LINES:
        lines.append(f"- and {len(found) - MOST_LINES} more")
    text = (
        f"Hello {user['username']},\n\nsince your last digest:\n\n{LINE.join(lines)}\n\n"
        f"All of it: {store.services.settings.public_url}/api/v1/notifications\n"
        'To end these letters: PATCH /api/v1/me {"settings": {"digest": "off"}}\n'
    )
    try:
        store.services.mail.send(user["email"], f"{len(found)} things you may want to know", text)
    except CannotCarry as error:
        raise GiveUp("address_not_carried", str(error)) from error


def untold(run: Run) -> list[Document]:
    """Return what is unread and was in no digest, the newest first; each `count` is of what this digest tells.

    What it tells is noted before it is sent: a further attempt tells the same, and the next digest does not.
    """
    parts, told = parts_of(run.store), {"user": run.subject_id, "state": TOLD, "notification": {"$ne": None}}
    fresh = {**told, "digest": None, "at": {"$gt": run.payload["since"]}}
    parts.update_many(fresh, {"$set": {"digest": run.job["_id"]}})
    counts: Counter[ObjectId] = Counter()
    for part in parts.find({**told, "digest": run.job["_id"]}, {"notification": 1}):
        counts[part["notification"]] += 1
    unread = {"_id": {"$in": list(counts)}, "unread": True}
    found = run.store.collection("notifications").find(unread).sort("happened_at", -1)
    return [{**one, "count": counts[one["_id"]]} for one in found]


def sentences(store: Store, user: Document, found: list[Document]) -> list[str]:
    """Return a line for each notification; titles come in one query, of the videos that the reader may see now."""
    ids = [one["video"] for one in found if one.get("video")]
    readable = query_by_link(store.registry["videos"], Caller(user["_id"], "user"))
    videos = store.collection("videos").find({"_id": {"$in": ids}, **readable}, {"title": 1})
    titles = {one["_id"]: " ".join(one["title"].split()) for one in videos}
    return [
        SENTENCES[one["kind"]].format(
            video=titles.get(one.get("video"), "a video that is gone"),
            count=one["count"],
            detail=one.get("detail"),
        )
        for one in found
    ]
