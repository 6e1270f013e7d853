"""What to watch next: candidates from several sources, each one indexed query, merged by rank with their reason."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from features.discovery.search import Sort

Entry = tuple[ObjectId, str]
Stages = list[dict[str, Any]]
Match = Mapping[str, Any]
Database_ = Database[dict[str, Any]]
# The videos published last come first. Every list of published videos has this order.
NEWEST: Sort = (("published_at", -1), ("_id", -1))
MOST = 300
# Everything that is ranked comes in one answer; the default of 101 would cost a second command.
ONE_BATCH = 5000
# How much a place in each source weighs.
WEIGHTS = {
    "subscribed": 3.0,
    "interest": 2.0,
    "watched_together": 3.0,
    "same_channel": 2.0,
    "same_tags": 2.0,
    "popular": 1.0,
    "new": 0.5,
}


def merge_ranked(rows: Iterable[Mapping[str, Any]], without: Iterable[ObjectId] = ()) -> list[Entry]:
    """Merge the sources by reciprocal rank; an entry's reason is the source that brought it highest."""
    places: Counter[str] = Counter()
    scores: dict[ObjectId, float] = defaultdict(float)
    best: dict[ObjectId, tuple[float, str]] = {}
    left_out = set(without)
    for row in rows:
        source, video = row["source"], row["_id"]
        places[source] += 1
        if video in left_out:
            continue
        score = WEIGHTS[source] / (60 + places[source])
        scores[video] += score
        best[video] = max(best.get(video, (0.0, "")), (score, source))
    order = sorted(scores, key=lambda video: (-scores[video], video))
    return [(video, best[video][1]) for video in order[:MOST]]


def branch(match: Match, source: str, limit: int) -> Stages:
    """Return the stages of one source: the newest videos that match."""
    return [
        {"$match": dict(match)},
        {"$sort": dict(NEWEST)},
        {"$limit": limit},
        {"$project": {"_id": 1, "source": {"$literal": source}}},
    ]


def union(stages: Stages, collection: str = "videos") -> dict[str, Any]:
    """Return the stage that adds another source."""
    return {"$unionWith": {"coll": collection, "pipeline": stages}}


def popular(window: str, limit: int) -> Stages:
    """Return the stages of the latest trending list."""
    return [
        {"$match": {"window": window}},
        {"$sort": {"window": 1, "generation": -1, "rank": 1}},
        {"$limit": limit},
        {"$project": {"_id": "$video", "source": {"$literal": "popular"}}},
    ]


def tastes(db: Database_, user: ObjectId) -> tuple[list[ObjectId], list[str], list[ObjectId]]:
    """Return the channels a user follows, the tags they watch most, and what they have seen; one query."""
    seen: Stages = [
        {"$match": {"user": user}},
        {"$sort": {"watched_at": -1, "_id": -1}},
        {"$limit": 60},
        {"$lookup": {"from": "videos", "localField": "video", "foreignField": "_id", "as": "of",
                     "pipeline": [{"$project": {"tag_keys": 1}}]}},
        {"$project": {"video": 1, "completed": 1, "tag_keys": {"$first": "$of.tag_keys"}}},
    ]  # fmt: skip
    followed: Stages = [
        {"$match": {"user": user}},
        {"$sort": {"_id": -1}},
        {"$limit": 2000},
        {"$project": {"channel": 1}},
    ]
    channels, tags, watched = [], Counter[str](), []
    for row in db["subscriptions"].aggregate([*followed, union(seen, "watch_history")], batchSize=ONE_BATCH):
        if "channel" in row:
            channels.append(row["channel"])
            continue
        tags.update(row.get("tag_keys") or [])
        if row.get("completed"):
            watched.append(row["video"])
    return channels, [tag for tag, _ in tags.most_common(10)], watched


def home(db: Database_, user: ObjectId, listed: Match) -> list[Entry]:
    """Rank what a user may like: from channels they follow, on what they watch, and what is popular; two queries."""
    channels, tags, watched = tastes(db, user)
    stages = branch({**listed, "channel": {"$in": channels}}, "subscribed", 150)
    if tags:
        stages.append(union(branch({**listed, "tag_keys": {"$in": tags}}, "interest", 150)))
    stages.append(union(popular("week", 150), "trending"))
    stages.append(union(branch(listed, "new", 50)))
    return merge_ranked(db["videos"].aggregate(stages, batchSize=ONE_BATCH), watched)


def related(db: Database_, video: Mapping[str, Any], listed: Match) -> list[Entry]:
    """Rank what goes with a video: watched by the same people, of the same channel, on the same tags; one query."""
    together: Stages = [
        {"$match": {"video": video["_id"]}},
        {"$sort": {"watched_at": -1}},
        {"$limit": 100},
        {"$lookup": {"from": "watch_history", "localField": "user", "foreignField": "user", "as": "also",
                     "pipeline": [{"$sort": {"watched_at": -1}}, {"$limit": 30}, {"$project": {"video": 1}}]}},
        {"$unwind": "$also"},
        {"$group": {"_id": "$also.video", "times": {"$sum": 1}}},
        {"$sort": {"times": -1, "_id": -1}},
        {"$limit": 50},
        {"$project": {"source": {"$literal": "watched_together"}}},
    ]  # fmt: skip
    stages = branch({**listed, "channel": video["channel"]}, "same_channel", 50)
    if keys := video.get("tag_keys"):
        tagged: Stages = [
            {"$match": {**listed, "tag_keys": {"$in": keys}}},
            {"$sort": dict(NEWEST)},
            {"$limit": 200},
            {"$set": {"shared": {"$size": {"$setIntersection": ["$tag_keys", keys]}}}},
            {"$sort": {"shared": -1, **dict(NEWEST)}},
            {"$limit": 100},
            {"$project": {"_id": 1, "source": {"$literal": "same_tags"}}},
        ]
        stages.append(union(tagged))
    stages += [union(together, "watch_history"), union(branch(listed, "new", 25))]
    return merge_ranked(db["videos"].aggregate(stages, batchSize=ONE_BATCH), [video["_id"]])
