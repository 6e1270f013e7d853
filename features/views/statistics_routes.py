"""How a creator's videos are doing: totals, days, watch time, retention, top videos."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, request

from clients import clock
from features.current import Document, services
from features.views.statistics import midnight, summarise
from machine.http import moments
from machine.http.route import action
from machine.http.shape import COUNT, COUNTS, ID, LINKS, NUMBER, TEXT, Shape, rows
from machine.read.query import bad
from settings import PREFIX

blueprint = Blueprint("stats", __name__)
DAYS, MOST_DAYS = 28, 366
ANSWER = {200: "Totals, one entry per day, the retention curve by tenths, and the top videos."}
MEASURED = {
    **dict.fromkeys(("views", "views_held", "engaged_views", "likes", "dislikes", "comments"), COUNT),
    "watch_seconds": NUMBER,
}
SUMMARY = {
    "since": TEXT, "until": TEXT, "totals": {"type": "dict", "required": True, "schema": MEASURED},
    "days": rows({"day": TEXT, **MEASURED}),
    "retention": {"type": "list", "required": True, "schema": {"type": "number"}},
    "counters": COUNTS, "_links": LINKS,
}  # fmt: skip
SPAN: tuple[dict[str, Any], ...] = (
    {"name": "since", "in": "query", "schema": {"type": "string", "format": "date"}},
    {"name": "until", "in": "query", "schema": {"type": "string", "format": "date"}},
)


def read_span() -> tuple[datetime, datetime]:
    """Read `since` and `until`, both days included; 28 days up to today unless stated."""
    for name in request.args:
        if name not in ("since", "until"):
            raise bad(f"Unknown parameter {name[:40]!r}.", allowed=["since", "until"])
    last = read_day("until") or midnight(clock.now())
    first = read_day("since") or last - timedelta(days=DAYS - 1)
    if not 0 <= (last - first).days < MOST_DAYS:
        raise bad(f"The span must be 1 to {MOST_DAYS} days.")
    return first, last + timedelta(days=1)


def read_day(name: str) -> datetime | None:
    """Read a day."""
    if name not in request.args:
        return None
    try:
        day = moments.read_day(request.args[name])
    except ValueError as error:
        raise bad(f"{name} takes a day, such as 2026-01-31.") from error
    if not 2000 <= day.year <= 9000:
        raise bad(f"{name} is out of range.")
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def answer(resource: str, doc: Document, match: Document) -> Document:
    """Answer the statistics of a video or channel."""
    since, until = read_span()
    href = f"{PREFIX}/{resource}/{doc['_id']}"
    found = summarise(services().db, match, since, until)
    if resource == "videos":
        found.pop("top")
    return {
        "since": since.date().isoformat(),
        "until": (until - timedelta(days=1)).date().isoformat(),
        **found,
        "counters": doc.get("counters") or {},
        "_links": {
            "self": {"href": f"{href}/stats", "title": "Statistics"},
            "parent": {"href": href, "title": resource.rstrip("s").capitalize()},
        },
    }


@action(
    blueprint, "videos", "stats", scope="video_stats", tag="statistics", answers=ANSWER,
    returns=Shape("VideoStatistics", SUMMARY), reasons=["bad_query"], parameters=SPAN,
)  # fmt: skip
def video_stats(doc: Document) -> Document:
    """Return the statistics of one video."""
    return answer("videos", doc, {"video": doc["_id"]})


@action(
    blueprint, "channels", "stats", scope="video_stats", tag="statistics",
    answers=ANSWER,
    returns=Shape("ChannelStatistics", {**SUMMARY, "top": rows({"video": ID, **MEASURED})}),
    reasons=["bad_query"], parameters=SPAN,
)  # fmt: skip
def channel_stats(doc: Document) -> Document:
    """Return the statistics of all videos of a channel."""
    return answer("channels", doc, {"channel": doc["_id"]})
