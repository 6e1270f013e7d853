"""Move counted views from Redis to MongoDB, each exactly once: set aside, one transaction with a unique id, drop.

It writes past the store: the store changes one document at a time, by its ETag, which for a lot of 300 videos would be
600 commands at least instead of four, and would lose to every editor. A counter that rises needs neither: it keeps the
ETag, breaks no declared rule and is no event. What caches have to hear, the store is told (`note_counted`).
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from clients import clock
from features.backend import backend_of
from features.views.statistics import TENTHS
from machine.jobs.periodic import every
from machine.write.store import Store, touch

# At most this many videos go into one transaction.
LOT = 300
Amounts = dict[str, int]


@every("view_flush_seconds")
def flush_views(store: Store) -> None:
    """Write down what was counted. What a dead flusher left behind is done first; nothing counts twice."""
    views = backend_of(store).views
    views.set_aside()
    for batch in views.batches():
        flush_batch(store, batch)
        views.drop(batch)


def flush_batch(store: Store, batch: str) -> None:
    """Write one batch, some videos at a time. Its lots are always the same, so their ids are too."""
    by_video: dict[str, dict[int, Amounts]] = defaultdict(dict)
    for (video, hour), amounts in backend_of(store).views.read(batch).items():
        by_video[video][hour] = amounts
    for number, lot in enumerate(lots(sorted(by_video))):
        write_lot(store, f"{batch}:{number}", {ObjectId(video): by_video[video] for video in lot})


def lots(videos: list[str]) -> Iterator[list[str]]:
    """Cut a list into lots."""
    rest = iter(videos)
    while lot := list(islice(rest, LOT)):
        yield lot


def write_lot(store: Store, flush_id: str, counted: dict[ObjectId, dict[int, Amounts]]) -> None:
    """Write one lot in one transaction with its id; where the id is there already, it was written before."""

    def write(session: ClientSession) -> None:
        db = store.services.db
        db["view_flushes"].insert_one({"_id": flush_id, "made_at": clock.second()}, session=session)
        facts = {"channel": 1, "owner": 1}
        known = {
            one["_id"]: one
            for one in db["videos"].find({"_id": {"$in": list(counted)}}, facts, session=session)
        }
        for collection, updates in updates_for(known, counted).items():
            if updates:
                db[collection].bulk_write(updates, ordered=False, session=session)
        store.note_counted("videos", known, session)
        store.note_counted("channels", {one["channel"] for one in known.values()}, session)

    try:
        store.in_transaction(write)
    except DuplicateKeyError as error:
        if error.details and error.details.get("keyPattern") != {"_id": 1}:
            raise


def updates_for(
    known: dict[ObjectId, dict[str, Any]], counted: dict[ObjectId, dict[int, Amounts]]
) -> dict[str, list[UpdateOne]]:
    """Return the updates by collection: totals of videos and channels, days for their owner, hours for trending."""
    updates: dict[str, list[UpdateOne]] = {"videos": [], "channels": [], "video_stats": [], "video_hours": []}
    channels: Amounts = defaultdict(int)
    days: dict[tuple[ObjectId, datetime], Amounts] = {}
    for video, hours in counted.items():
        if video not in known:
            continue
        total: Amounts = defaultdict(int)
        for hour, amounts in hours.items():
            moment = datetime.fromtimestamp(hour, UTC)
            day = days.setdefault((video, moment.replace(hour=0)), defaultdict(int))
            for metric, amount in amounts.items():
                total[metric] += amount
                day[metric] += amount
            rise = {"views": amounts.get("views", 0), "engaged": amounts.get("engaged", 0)}
            updates["video_hours"].append(
                UpdateOne({"hour": moment, "video": video}, {"$inc": rise}, upsert=True)
            )
        rise = {"counters.views": total["views"], "counters.engaged_views": total["engaged"]}
        updates["videos"].append(UpdateOne({"_id": video}, {"$inc": rise}))
        channels[known[video]["channel"]] += total["views"]
    updates["channels"] = [
        UpdateOne({"_id": id_}, {"$inc": {"counters.views": n}}) for id_, n in channels.items() if n
    ]
    updates["video_stats"] = [
        day_update(known[video], day, amounts) for (video, day), amounts in days.items()
    ]
    return updates


def day_update(video: dict[str, Any], day: datetime, amounts: Amounts) -> UpdateOne:
    """Return the update of one video's day."""
    rise = {
        "views": amounts.get("views", 0),
        "views_held": amounts.get("held", 0),
        "engaged_views": amounts.get("engaged", 0),
        "watch_ms": amounts.get("watched_ms", 0),
        **{f"reached.{tenth}": amounts.get(tenth, 0) for tenth in TENTHS},
    }
    whose = {"channel": video["channel"], "owner": video["owner"], "_created": clock.second()}
    return UpdateOne(
        {"video": video["_id"], "day": day},
        {"$inc": rise, "$set": touch(), "$setOnInsert": whose},
        upsert=True,
    )
