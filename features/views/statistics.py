"""Statistics of videos and channels, summed from the days that the flush and the roll-up have written."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.database import Database

MEASURES = ("views", "views_held", "engaged_views", "watch_ms", "likes", "dislikes", "comments")
TENTHS = [f"t{k}" for k in range(10)]
TOP = 10


def midnight(moment: datetime) -> datetime:
    """Return the beginning of a day in UTC."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def summarise(
    db: Database[Any], match: Mapping[str, Any], since: datetime, until: datetime
) -> dict[str, Any]:
    """Return totals, the daily series, the retention curve and the top videos of a span of days; one query."""
    sums = {name: {"$sum": {"$ifNull": [f"${name}", 0]}} for name in MEASURES}
    tenths = {tenth: {"$sum": {"$ifNull": [f"$reached.{tenth}", 0]}} for tenth in TENTHS}
    stages: list[dict[str, Any]] = [
        {"$match": {**match, "day": {"$gte": since, "$lt": until}}},
        {
            "$facet": {
                "totals": [{"$group": {"_id": None, **sums, **tenths}}],
                "days": [{"$group": {"_id": "$day", **sums}}, {"$sort": {"_id": 1}}],
                "top": [
                    {"$group": {"_id": "$video", **sums}},
                    {"$sort": {"views": -1, "_id": 1}},
                    {"$limit": TOP},
                ],
            }
        },
    ]
    found = next(iter(db["video_stats"].aggregate(stages)))
    totals = found["totals"][0] if found["totals"] else {}
    return {
        "totals": measures(totals),
        "days": series(found["days"], since, until),
        "retention": retention(totals),
        "top": [{"video": row["_id"], **measures(row)} for row in found["top"]],
    }


def measures(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the measures of a row; watch time in seconds."""
    shown = {name: row.get(name, 0) for name in MEASURES}
    watched = shown.pop("watch_ms")
    return {**shown, "watch_seconds": round(watched / 1000, 3)}


def series(rows: list[dict[str, Any]], since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Return one entry per day, also for days on which nothing happened."""
    by_day = {row["_id"]: row for row in rows}
    count = (until - since).days
    days = [since + timedelta(days=number) for number in range(count)]
    return [{"day": day.date().isoformat(), **measures(by_day.get(day, {}))} for day in days]


def retention(totals: Mapping[str, Any]) -> list[float]:
    """Return for each tenth of the length the share of views that watched it."""
    views = totals.get("views", 0)
    return [round(min(1.0, totals.get(tenth, 0) / views), 4) if views else 0.0 for tenth in TENTHS]
