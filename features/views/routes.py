"""Heartbeats of players, the rule by which they count, and the caller's watch history."""

from typing import Any

import structlog
from bson import ObjectId
from flask import Blueprint, request
from redis.exceptions import RedisError

from clients import clock
from features.current import IDS, Document, asked_ids, services, store
from features.playback import KEY, require_watchable
from features.views.views import ENGAGED_SECONDS, RULE, Verdict, is_bot
from machine.access.rights import has_scope
from machine.current import g
from machine.http.route import action, route
from machine.http.shape import FLAG, NUMBER, TEXT, Shape, each

log = structlog.get_logger(__name__)
blueprint = Blueprint("views", __name__)
VERDICT = Shape("ViewVerdict", {
    "counted": FLAG, "reason": {"type": "string", "nullable": True},
    "retry_after": {"type": "number", "nullable": True}, "rule": TEXT,
})  # fmt: skip
POSITIONS = Shape("Positions", {"positions": each({
    "type": "dict", "schema": {"position": {"type": "number"}, "completed": {"type": "boolean"}},
})})  # fmt: skip
# What the routes of one's own watch history have in common.
MINE: dict[str, Any] = {"access": "user", "scope": "watch_history", "tag": "views"}
COMPLETE = 0.95
PAUSED_SECONDS = 30


@action(
    blueprint,
    "videos",
    "views",
    tag="views",
    description="Send it at the start and every 10 to 30 seconds, and by `navigator.sendBeacon` as the page closes. "
    "The rule is at /view-policy.",
    # A beacon comes from whoever opens a page, without Authorization: it counts a stranger's view, as the rule allows.
    also=("text/plain",),
    body={"position": {"type": "number", "required": True, "min": 0, "max": 1e7}},
    answers={200: "Whether a view was counted, why or why not, and when the next can be."},
    returns=VERDICT,
    parameters=(KEY,),
    reasons=["locked"],
)
def watch(doc: Document, body: Document) -> Document:
    """Take a heartbeat: count it by the rule, and remember where the caller is."""
    require_watchable(doc)
    position = float(body["position"])
    verdict = judge(doc, position)
    if g.caller.id and has_scope(store().registry["watch_history"], "POST", g.caller):
        remember(doc, position)
    return verdict.body()


def judge(video: Document, position: float) -> Verdict:
    """Return what the rule says of a heartbeat."""
    agent = request.headers.get("User-Agent", "")
    if g.caller.id == video["owner"]:
        return Verdict(False, "owner")
    if is_bot(agent):
        return Verdict(False, "bot")
    views = services().views
    try:
        viewer = views.viewer(g.caller.id, request.remote_addr or "", agent)
        return views.beat(video["_id"], video.get("duration"), viewer, position)
    except RedisError as error:
        log.warning("views_paused", error=type(error).__name__)
        return Verdict(False, "counting_paused", PAUSED_SECONDS)


def remember(video: Document, position: float) -> None:
    """Write down where the caller is in a video, unless their history is paused."""
    user = store().collection("users").find_one({"_id": g.caller.id}, {"settings.history_paused": 1}) or {}
    if (user.get("settings") or {}).get("history_paused"):
        return
    duration = video.get("duration")
    position = min(position, duration) if duration else position
    values = {
        "position": position,
        "completed": bool(duration and position >= COMPLETE * duration),
        "watched_at": clock.second(),
    }
    store().put("watch_history", {"user": g.caller.id, "video": video["_id"]}, values)


@route(
    blueprint,
    "GET",
    "/view-policy",
    access="anyone",
    tag="views",
    summary="How views are counted",
    answers={200: "The rule, in words and numbers."},
    returns=Shape("ViewPolicy", {"rule": TEXT, "window_seconds": NUMBER, "text": TEXT}),
)
def view_policy() -> dict[str, Any]:
    """Publish the rule."""
    return {
        "rule": RULE,
        "window_seconds": services().settings.view_window_seconds,
        "engaged_seconds": ENGAGED_SECONDS,
        "engaged_share": 0.5,
        "watch_time_factor": 2,
        "address_views_per_day": services().settings.view_address_daily,
        "flush_seconds": services().settings.view_flush_seconds,
        "not_counted": ["owner", "bot", "within_window", "held", "counting_paused"],
        "text": (
            "A view starts with the first accepted heartbeat of a readable video that is READY. It counts once per "
            "viewer and video in a window. A viewer is a user, or else a network (/24, /48) with an agent, hashed "
            "with a salt that changes daily. A heartbeat raises the watch time by what the position moved on, but at "
            "most by twice the time that passed since the last one. A view is engaged when its watch time reaches "
            "30 seconds or half the duration, whichever is less. Owners and bots do not count. From one address (IPv6: "
            "/64) at most `address_views_per_day` views of one video count in a day (UTC) of viewers who are signed "
            "in, and as many of those who are not; 0 means any number. What goes beyond is held for review: it is "
            "told to the owner as `views_held`, and adds to nothing else."
        ),
    }


@route(
    blueprint,
    "GET",
    "/me/positions",
    **MINE,
    summary="Where I stopped in these",
    description="`ids`: up to 100 ids of videos.",
    answers={200: "`positions`: for each id that was watched, position and completed."},
    returns=POSITIONS,
    operation="myPositions",
    reasons=["bad_query"],
    parameters=(IDS,),
)
def positions() -> dict[str, Any]:
    """Return the resume positions of up to a hundred videos in one query."""
    match = {"user": g.caller.id, "video": {"$in": asked_ids()}}
    found = store().collection("watch_history").find(match)
    return {"positions": {str(one["video"]): {"position": one["position"], "completed": one["completed"]}
                          for one in found}}  # fmt: skip


@route(
    blueprint,
    "DELETE",
    "/me/history",
    **MINE,
    summary="Clear my watch history",
    answers={204: "It is empty."},
)
def clear_history() -> None:
    """Forget everything the caller has watched."""
    store().clear("watch_history", {"user": g.caller.id})


@route(
    blueprint,
    "DELETE",
    "/me/history/<objectid:video>",
    **MINE,
    summary="Remove one video from my watch history",
    answers={204: "It is not there."},
)
def forget_one(video: ObjectId) -> None:
    """Forget that the caller watched a video."""
    store().withdraw("watch_history", {"user": g.caller.id, "video": video})
