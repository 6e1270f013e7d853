"""Roll up what else happened to each video on a day: likes, dislikes and comments that came, counted from the truth.

Running it again for a day gives the same: the day's numbers are set, not added to. Past days are settled once more
after midnight, since a like may have been taken back; days that are over stay as they were then.

It writes past the store, a thousand rows in one command. The numbers of a row are set,
whatever they were, and nobody else writes these; a row moves no counter, is no event, and is in no cache.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from clients import clock
from features.views.statistics import midnight
from machine.jobs.periodic import every
from machine.write.store import Store, touch

LOT = 1000
DAYS = 2
Counted = dict[ObjectId, dict[str, int]]


@every("rollup_seconds")
def roll_up(store: Store) -> None:
    """Settle today and the day before."""
    today = midnight(clock.now())
    for back in range(DAYS):
        roll_up_day(store, today - timedelta(days=back))


def roll_up_day(store: Store, day: datetime) -> None:
    """Count one day and write it down, some videos at a time."""
    counted = count_day(store, day)
    for video in store.services.db["video_stats"].find({"day": day}, {"video": 1}):
        counted[video["video"]].setdefault("likes", 0)
    for lot in lots(sorted(counted)):
        facts = {"channel": 1, "owner": 1}
        updates = [
            day_update(video, day, counted[video["_id"]])
            for video in store.services.db["videos"].find({"_id": {"$in": lot}}, facts)
        ]
        if updates:
            store.services.db["video_stats"].bulk_write(updates, ordered=False)


def count_day(store: Store, day: datetime) -> Counted:
    """Count the ratings and comments that came on a day and still stand."""
    db, span = store.services.db, {"$gte": day, "$lt": day + timedelta(days=1)}
    counted: Counted = defaultdict(dict)
    ratings: list[dict[str, Any]] = [
        {"$match": {"target_type": "video", "_created": span}},
        {"$group": {"_id": {"video": "$target", "value": "$value"}, "n": {"$sum": 1}}},
    ]
    for row in db["likes"].aggregate(ratings):
        counted[row["_id"]["video"]]["likes" if row["_id"]["value"] == 1 else "dislikes"] = row["n"]
    comments: list[dict[str, Any]] = [
        {"$match": {"_created": span, "status": "published", "placeholder": {"$ne": True}}},
        {"$group": {"_id": "$video", "n": {"$sum": 1}}},
    ]
    for row in db["comments"].aggregate(comments):
        counted[row["_id"]]["comments"] = row["n"]
    return counted


def lots(ids: list[ObjectId]) -> Iterator[list[ObjectId]]:
    """Cut a list into lots."""
    for start in range(0, len(ids), LOT):
        yield ids[start : start + LOT]


def day_update(video: dict[str, Any], day: datetime, counted: dict[str, int]) -> UpdateOne:
    """Return the update that sets one video's day."""
    values = {name: counted.get(name, 0) for name in ("likes", "dislikes", "comments")}
    whose = {"channel": video["channel"], "owner": video["owner"], "_created": clock.second()}
    return UpdateOne(
        {"video": video["_id"], "day": day},
        {"$set": {**values, **touch()}, "$setOnInsert": whose},
        upsert=True,
    )
