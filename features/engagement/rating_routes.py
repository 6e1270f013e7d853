"""Ratings and subscriptions: set, never toggled, so that a retry changes nothing."""

from typing import Any

from bson import ObjectId
from flask import Blueprint, Response

from features.current import IDS, Document, asked_ids, counters_of, reads, shown, store
from machine.access.rights import query_by_link
from machine.current import g
from machine.eve.endpoints import answer_read
from machine.http.route import action, route
from machine.http.shape import COUNT, COUNTS, FLAG, ID, LINKS, TEXT, PageOf, Shape, each
from machine.read.feeds import PAGE_PARAMETERS, Feed
from settings import PREFIX

blueprint = Blueprint("engagement", __name__)
VALUE = {"value": {"type": "integer", "allowed": [1, -1]}}
LEVEL = {
    "level": {"type": "string", "allowed": ["all", "none"]},
    "visibility": {"type": "string", "allowed": ["private", "public"]},
}
SUBSCRIPTION = Shape("SubscriptionSet", {
    "_id": ID, "subscribed": FLAG, "level": TEXT, "visibility": TEXT, "counters": COUNTS, "_links": LINKS,
})  # fmt: skip
RATING = Shape("Rating", {
    "target_type": {**TEXT, "allowed": ["video", "comment"]}, "target": ID, "value": {**COUNT, "min": -1, "max": 1},
    "counters": COUNTS, "_links": LINKS,
})  # fmt: skip
# What the routes that rate have in common.
RATED: dict[str, Any] = {
    "tag": "engagement",
    "answers": {200: "The rating, and the counters as they are now."},
    "returns": RATING,
}
RATE: dict[str, Any] = {
    "description": "Sets the rating to 1, or to -1 where `value` says so. Sending it again changes nothing.",
    "body": VALUE,
    "body_optional": True,
}


def rate(target_type: str, resource: str, target: ObjectId, value: int) -> Document:
    """Make the caller's rating of a target this value; 0 takes it back."""
    key = {"user": g.caller.id, "target_type": target_type, "target": target}
    if value:
        store().put("likes", key, {"value": value})
    else:
        store().withdraw("likes", key)
    return {
        "target_type": target_type,
        "target": target,
        "value": value,
        "counters": counters_of(resource, target),
        "_links": {"parent": {"href": f"{PREFIX}/{resource}/{target}", "title": target_type.capitalize()}},
    }


def read_value(body: Document) -> int:
    """Return the value of a rating: a like unless stated."""
    return int(body.get("value", 1))


@action(blueprint, "videos", "like", **RATE, **RATED)
def like_video(doc: Document, body: Document) -> Document:
    """Rate a video."""
    return rate("video", "videos", doc["_id"], read_value(body))


@action(blueprint, "videos", "unlike", **RATED)
def unlike_video(doc: Document) -> Document:
    """Take a rating back; without one nothing changes."""
    return rate("video", "videos", doc["_id"], 0)


@action(blueprint, "comments", "like", **RATE, **RATED)
def like_comment(doc: Document, body: Document) -> Document:
    """Rate a comment."""
    return rate("comment", "comments", doc["_id"], read_value(body))


@action(blueprint, "comments", "unlike", **RATED)
def unlike_comment(doc: Document) -> Document:
    """Take a rating back; without one nothing changes."""
    return rate("comment", "comments", doc["_id"], 0)


@route(
    blueprint,
    "GET",
    "/me/ratings",
    access="user",
    scope="likes",
    tag="engagement",
    summary="My ratings of these",
    description="`ids`: up to 100 ids of videos and comments.",
    answers={200: "`ratings`: for each id 1, -1 or 0."},
    returns=Shape("Ratings", {"ratings": each({"type": "integer", "min": -1, "max": 1})}),
    reasons=["bad_query"],
    parameters=(IDS,),
)
def my_ratings() -> Document:
    """Return the caller's ratings of up to a hundred targets in one query."""
    ids = asked_ids()
    match = {"user": g.caller.id, "target_type": {"$in": ["video", "comment"]}, "target": {"$in": ids}}
    found = {one["target"]: one["value"] for one in store().collection("likes").find(match)}
    return {"ratings": {str(id_): found.get(id_, 0) for id_ in ids}}


@route(
    blueprint, "GET", "/me/liked", access="user", scope="likes", tag="engagement", summary="Videos I like",
    description="The latest like first.",
    answers={200: "A page: each item is a video with the `reason` `liked`."}, returns=PageOf("videos"),
    reasons=["bad_query", "bad_cursor"],
    parameters=PAGE_PARAMETERS,
)  # fmt: skip
def liked() -> Response:
    """Return the videos that the caller likes and may still read; two queries a page."""
    feed = Feed(reads(), "videos", {"user": str(g.caller.id)})
    match: Document = {"user": g.caller.id, "target_type": "video", "value": 1}
    position = feed.position()
    if position:
        match["_id"] = {"$lt": position[0]}
    rows = list(store().collection("likes").find(match).sort("_id", -1).limit(feed.asked.limit + 1))
    page = rows[: feed.asked.limit]
    end = [page[-1]["_id"]] if len(rows) > len(page) else None
    entries = [(row["target"], "liked") for row in page]
    return answer_read(feed.ranked(entries, end, query_by_link(feed.resource, g.caller)))


@action(
    blueprint,
    "channels",
    "subscription",
    tag="engagement",
    description="`level` says how loudly: `all` notifies of each new video. `visibility` says who may see it.",
    body=LEVEL,
    body_optional=True,
    answers={200: "The subscription, and the counters of the channel."},
    returns=SUBSCRIPTION,
)
def subscribe(doc: Document, body: Document) -> Document:
    """Subscribe, or change how."""
    key = {"user": g.caller.id, "channel": doc["_id"]}
    known = store().collection("subscriptions").find_one(key) or {"level": "all", "visibility": "private"}
    values = {name: body.get(name, known[name]) for name in ("level", "visibility")}
    subscription = store().put("subscriptions", key, values)
    counters = counters_of("channels", doc["_id"])
    return {**shown("subscriptions", subscription), "subscribed": True, "counters": counters}


@action(
    blueprint,
    "channels",
    "unsubscribe",
    tag="engagement",
    answers={200: "The counters of the channel."},
    returns=Shape("Following", {"subscribed": FLAG, "counters": COUNTS, "_links": LINKS}),
)
def unsubscribe(doc: Document) -> Document:
    """End a subscription; without one nothing changes."""
    store().withdraw("subscriptions", {"user": g.caller.id, "channel": doc["_id"]})
    href = f"{PREFIX}/channels/{doc['_id']}"
    return {
        "subscribed": False,
        "counters": counters_of("channels", doc["_id"]),
        "_links": {"parent": {"href": href, "title": "Channel"}},
    }


@route(
    blueprint,
    "GET",
    "/me/subscribed",
    access="user",
    scope="subscriptions",
    tag="engagement",
    summary="Which of these do I follow",
    description="`ids`: up to 100 ids of channels.",
    answers={200: "`subscribed`: for each id the notification level, or null."},
    returns=Shape("Subscribed", {"subscribed": each({"type": "string", "nullable": True})}),
    reasons=["bad_query"],
    parameters=(IDS,),
)
def my_subscriptions() -> dict[str, Any]:
    """Tell for up to a hundred channels whether the caller follows them."""
    ids = asked_ids()
    match = {"user": g.caller.id, "channel": {"$in": ids}}
    found = {one["channel"]: one["level"] for one in store().collection("subscriptions").find(match)}
    return {"subscribed": {str(id_): found.get(id_) for id_ in ids}}
