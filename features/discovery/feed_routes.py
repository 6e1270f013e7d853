"""Feeds: home, trending, subscriptions, and what goes with a video. Each entry says why it is there."""

from collections.abc import Callable
from typing import Any

from bson import ObjectId
from flask import Blueprint, Response, request

from features.current import Document, reads, services
from features.discovery import ranking, snapshots
from machine.access.rights import towards_all
from machine.current import g
from machine.edge.tags import TRENDING, tag_of
from machine.eve.endpoints import answer_read
from machine.http.route import Kept, action, route
from machine.http.shape import PageOf
from machine.read.feeds import PAGE_PARAMETERS, Feed
from machine.read.query import bad

blueprint = Blueprint("feeds", __name__)
WINDOWS = ("day", "week")
# What the home feed tells of who reads it.
PERSONAL = ("subscriptions", "watch_history")
# What strangers get is shared; a new trending list, and whatever happens to a video on the page, ends that at once.
KEPT = Kept(30, ("videos",))
# What all feeds have in common.
PAGE: dict[str, Any] = {
    "tag": "feeds",
    "answers": {200: "A page: each item is a video with the `reason` why it is there."},
    "returns": PageOf("videos"),
    "reasons": ["bad_query", "bad_cursor"],
}
Entry = tuple[ObjectId, str]


@route(
    blueprint,
    "GET",
    "/feed/trending",
    access="anyone",
    summary="What is watched most right now",
    operation="feedTrending",
    kept=KEPT,
    parameters=(*PAGE_PARAMETERS, {"name": "window", "in": "query", "schema": {"enum": list(WINDOWS)}}),
    **PAGE,
)
def trending() -> Response:
    """Return the latest trending list of a window."""
    window = request.args.get("window", "day")
    if window not in WINDOWS:
        raise bad("Unknown window.", allowed=list(WINDOWS))
    return answer_read(
        trending_page(Feed(reads(), "videos", {"window": window}, frozenset({"window"})), window, "trending")
    )


def trending_page(feed: Feed, window: str, reason: str) -> Document:
    """Return a page of a trending list; before the first was made, the newest videos."""
    position = feed.position()
    feed.note([TRENDING])
    if position and len(position) == 2 and not isinstance(position[0], int):
        return feed.sorted({}, ranking.NEWEST, lambda row: "new")
    rows = trending_rows(window, feed.asked.limit + 1, position)
    if not rows and position is None:
        return feed.sorted({}, ranking.NEWEST, lambda row: "new")
    page = rows[: feed.asked.limit]
    end = [page[-1]["generation"], page[-1]["rank"]] if len(rows) > feed.asked.limit else None
    return feed.ranked([(row["video"], reason) for row in page], end)


def trending_rows(window: str, limit: int, position: list[Any] | None) -> list[Document]:
    """Read some entries behind a position; where that generation is gone, of the latest."""
    lists = services().db["trending"]
    order = [("window", 1), ("generation", -1), ("rank", 1)]
    if position:
        generation, rank = position
        same = {"window": window, "generation": generation, "rank": {"$gt": rank}}
        rows = list(lists.find(same).sort(order).limit(limit))
        if rows:
            return rows
    rows = list(lists.find({"window": window}).sort(order).limit(limit))
    return [row for row in rows if row["generation"] == rows[0]["generation"]] if not position else []


@route(
    blueprint,
    "GET",
    "/feed/home",
    access="anyone",
    summary="What to watch",
    description="Signed in: from your channels, on what you watch, and what is popular. Else: what is popular.",
    operation="feedHome",
    kept=KEPT,
    parameters=PAGE_PARAMETERS,
    **PAGE,
)
def home() -> Response:
    """Return the caller's home feed."""
    # To a key that does not reach all that shapes it, it is a stranger's.
    user = towards_all([reads().store.registry[name] for name in PERSONAL], g.caller).id
    feed = Feed(reads(), "videos", {"user": str(user)})
    if user is None:
        return answer_read(trending_page(feed, "week", "popular"))
    return answer_read(
        snapshot_page(feed, f"home:{user}", lambda: ranking.home(services().db, user, feed.listed))
    )


def snapshot_page(feed: Feed, name: str, make: Callable[[], list[Entry]]) -> Document:
    """Return a page of a ranking that is kept while it is read."""
    number, offset = feed.position() or (snapshots.generation(), 0)
    entries = snapshots.ranking(services(), name, number, make)
    end = offset + feed.asked.limit
    return feed.ranked(entries[offset:end], [number, end] if end < len(entries) else None)


@route(
    blueprint,
    "GET",
    "/feed/subscriptions",
    access="user",
    scope="subscriptions",
    summary="New from the channels I follow",
    operation="feedSubscriptions",
    parameters=PAGE_PARAMETERS,
    **PAGE,
)
def subscriptions() -> Response:
    """Return the newest videos of the channels that the caller follows: fan-out on read, two queries a page."""
    feed = Feed(reads(), "videos", {"user": str(g.caller.id)})
    followed = services().db["subscriptions"].find({"user": g.caller.id}, {"channel": 1, "_id": 0})
    followed = followed.batch_size(ranking.ONE_BATCH)
    channels = [row["channel"] for row in followed]
    return answer_read(feed.sorted({"channel": {"$in": channels}}, ranking.NEWEST, lambda row: "subscribed"))


@action(blueprint, "videos", "related", kept=KEPT, parameters=PAGE_PARAMETERS, **PAGE)
def related(doc: Document) -> Response:
    """Return what goes with a video."""
    feed = Feed(reads(), "videos", {"video": str(doc["_id"])})
    feed.note([tag_of("videos", doc["_id"])])
    name = f"related:{doc['_id']}"
    return answer_read(snapshot_page(feed, name, lambda: ranking.related(services().db, doc, feed.listed)))
