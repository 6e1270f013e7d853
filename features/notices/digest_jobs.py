"""E-mail digests: what is unread, once a day or a week, for those who asked for it and confirmed their address."""

from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from clients import clock
from clients.mail import CannotCarry
from machine.access.caller import Caller
from machine.access.rights import query_by_link
from machine.jobs.job import GiveUp, Run, job
from machine.jobs.periodic import every
from machine.write.store import Store

PERIODS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
SENT = "digests"
MOST_LINES = 30
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
            since = claim(store, user["_id"], span)
            if since is not None:
                subject = {"resource": "users", "id": user["_id"]}
                key = f"digest:{user['_id']}:{clock.second().isoformat()}"
                store.services.jobs.owe("digest", subject, key, {"since": since}, owner=user["_id"])
                owed += 1
    return owed


def claim(store: Store, user: ObjectId, span: timedelta) -> datetime | None:
    """Take the turn of a user's digest and return since when it reports; None where it is not due, or taken."""
    moment = clock.second()
    due = {"_id": user, "sent_at": {"$lte": moment - span}}
    try:
        before = store.services.db[SENT].find_one_and_update(due, {"$set": {"sent_at": moment}}, upsert=True)
    except DuplicateKeyError:
        return None
    return before["sent_at"] if before else moment - span


@job("digest", attempts=5)
def send_digest(run: Run) -> None:
    """Write one digest; nothing where nothing is unread."""
    store = run.store
    user = store.get("users", run.subject_id)
    if user is None or not user.get("email"):
        return
    unread = {"user": user["_id"], "unread": True, "happened_at": {"$gt": run.payload["since"]}}
    found = list(store.collection("notifications").find(unread).sort("happened_at", -1).limit(MOST_LINES))
    if not found:
        return
    lines = "\n".join(f"- {line}" for line in sentences(store, user, found))
    text = (
        f"Hello {user['username']},\n\nsince your last digest:\n\n{lines}\n\n"
        f"All of it: {store.services.settings.public_url}/api/v1/notifications\n"
        'To end these letters: PATCH /api/v1/me {"settings": {"digest": "off"}}\n'
    )
    try:
        store.services.mail.send(user["email"], f"{len(found)} things you may want to know", text)
    except CannotCarry as error:
        raise GiveUp("address_not_carried", str(error)) from error


def sentences(store: Store, user: dict[str, Any], found: list[dict[str, Any]]) -> list[str]:
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
