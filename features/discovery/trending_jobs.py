"""Compute the trending lists: views of the last hours, weighted by age, in one aggregation per window."""

from datetime import datetime, timedelta
from typing import Any

from clients import clock
from features.discovery.ranking import NEWEST
from machine.access.rights import listed
from machine.edge.tags import TRENDING
from machine.jobs.periodic import every
from machine.write.store import Store

LONGEST = 1000
HOUR_MS = 3_600_000
# A list that somebody has begun to read is kept for this long.
READING = timedelta(minutes=15)
# Window: how far back it looks, and after how long a view counts half.
WINDOWS = {"day": (timedelta(days=1), timedelta(hours=6)), "week": (timedelta(days=7), timedelta(days=2))}


@every("trending_seconds")
def compute_trending(store: Store) -> None:
    """Write a new generation of each list; readers of an older one can finish it."""
    made_at = clock.now()
    db, resource = store.services.db, store.registry["videos"]
    shown = listed(resource)
    for window, (reach, half_life) in WINDOWS.items():
        stages = [
            *heat(made_at, reach, half_life),
            newcomers(shown, made_at - reach),
            {"$group": {"_id": "$_id", "heat": {"$sum": "$heat"}}},
            *weigh(shown, made_at),
            *number_and_store(window, made_at),
        ]
        db["video_hours"].aggregate(stages, allowDiskUse=True)
        old = int((made_at - READING).timestamp() * 1000)
        db["trending"].delete_many({"window": window, "generation": {"$lt": old}})
    store.bump({TRENDING})


def heat(now: datetime, reach: timedelta, half_life: timedelta) -> list[dict[str, Any]]:
    """Sum the views of each video, engaged ones threefold, each halved with every half-life of its age."""
    age = {"$divide": [{"$subtract": [now, "$hour"]}, half_life.total_seconds() * 1000]}
    weight = {"$pow": [0.5, age]}
    views = {"$add": ["$views", {"$multiply": [2, "$engaged"]}]}
    return [
        {"$match": {"hour": {"$gte": now - reach}}},
        {"$group": {"_id": "$video", "heat": {"$sum": {"$multiply": [views, weight]}}}},
    ]


def newcomers(shown: dict[str, Any], since: datetime) -> dict[str, Any]:
    """Give every newly published video a small start, so that it can be found at all."""
    stages = [
        {"$match": {**shown, "published_at": {"$gte": since}}},
        {"$sort": dict(NEWEST)},
        {"$limit": LONGEST},
        {"$project": {"heat": {"$literal": 0.1}}},
    ]
    return {"$unionWith": {"coll": "videos", "pipeline": stages}}


def weigh(shown: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
    """Keep what is listed, add what its likes say, and let it cool with the age of the video."""
    facts = [{"$match": shown}, {"$project": {"published_at": 1, "counters": 1}}]
    likes = {"$ln": {"$add": [1, {"$ifNull": ["$of.counters.likes", 0]}]}}
    hours = {"$max": [0, {"$divide": [{"$subtract": [now, "$of.published_at"]}, HOUR_MS]}]}
    cooled = {"$divide": [{"$add": ["$heat", {"$multiply": [0.5, likes]}]}, {"$sqrt": {"$add": [hours, 2]}}]}
    return [
        {"$sort": {"heat": -1, "_id": -1}},
        {"$limit": LONGEST * 2},
        {
            "$lookup": {
                "from": "videos",
                "localField": "_id",
                "foreignField": "_id",
                "as": "of",
                "pipeline": facts,
            }
        },
        {"$unwind": "$of"},
        {"$set": {"score": {"$ifNull": [cooled, 0]}}},
        {"$sort": {"score": -1, "_id": -1}},
        {"$limit": LONGEST},
    ]


def number_and_store(window: str, now: datetime) -> list[dict[str, Any]]:
    """Number the entries and store them as a generation of their own."""
    generation = int(now.timestamp() * 1000)
    key = {"window": window, "generation": {"$literal": generation}, "video": "$_id"}
    return [
        {"$set": {"order": {"score": "$score", "id": "$_id"}}},
        {"$setWindowFields": {"sortBy": {"order": -1}, "output": {"rank": {"$documentNumber": {}}}}},
        {"$project": {"_id": key, **key, "rank": 1, "score": 1, "made_at": now}},
        {"$merge": {"into": "trending", "on": "_id", "whenMatched": "replace"}},
    ]
