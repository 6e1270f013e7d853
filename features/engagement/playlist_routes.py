"""One's own library: the order of playlists, Watch later, and which playlists hold what."""

from typing import Any

from bson import ObjectId
from flask import Blueprint

from features.current import IDS, Document, asked_ids, reads, shown, store
from features.engagement.ordering import after, before, within
from machine.current import g
from machine.http.problem import Problem
from machine.http.route import action, route
from machine.http.shape import Shape, each
from machine.write.races import AlreadyThere
from schemas._fields import of_kind

blueprint = Blueprint("library", __name__)
WATCH_LATER = "Watch later"
# What the routes of one's own library have in common.
LIBRARY: dict[str, Any] = {"access": "user", "scope": "playlists", "tag": "playlists"}
LATER = "/me/watch-later/<objectid:video>"


@action(
    blueprint,
    "playlist_items",
    "move",
    tag="playlists",
    description="`after`: the id of the item it shall follow, or null to make it the first. Nothing is renumbered.",
    body={
        "after": {
            "type": "string",
            "nullable": True,
            "required": True,
            "regex": "[a-f0-9]{24}",
            "meta": {"form": "the id of an item, 24 hex digits"},
            **of_kind("code"),
        }
    },
    answers={200: "The item with its new position."},
    returns="playlist_items",
    reasons=["validation_failed"],
)
def move_item(doc: Document, body: Document) -> Document:
    """Give an item a position behind another one, or before all."""
    position = place_after(doc, ObjectId(body["after"]) if body["after"] else None)
    return shown(
        "playlist_items", store().change("playlist_items", {"_id": doc["_id"]}, set={"position": position})
    )


def place_after(item: Document, other: ObjectId | None) -> str:
    """Return a position behind `other` and before whatever follows it now; two queries at most."""
    items, low = store().collection("playlist_items"), ""
    if other is not None:
        found = items.find_one({"_id": other, "playlist": item["playlist"]})
        if found is None or other == item["_id"]:
            raise Problem(422, "validation_failed", issues={"after": "is no other item of this playlist"})
        low = found.get("position", "")  # without one: of an older version, until `db migrate` has come by
    rest = {"playlist": item["playlist"], "_id": {"$ne": item["_id"]}, "position": {"$gt": low}}
    following = items.find_one(rest, sort=[("position", 1)])
    if following is None:
        return after(low or None)
    return within(low, following["position"]) if low else before(following["position"])


def watch_later(create: bool) -> Document | None:
    """Return the caller's Watch later, made on first use."""
    key = {"owner": g.caller.id, "kind": "watch_later"}
    found = store().collection("playlists").find_one(key)
    if found or not create:
        return found
    values = {"title": WATCH_LATER, "visibility": "private"}
    try:
        return store().insert("playlists", {**key, **values})
    except AlreadyThere:
        return store().collection("playlists").find_one(key)


@route(
    blueprint,
    "GET",
    "/me/watch-later",
    **LIBRARY,
    summary="My Watch later",
    answers={200: "The playlist; its items are linked."},
    returns="playlists",
)
def show_watch_later() -> Document:
    """Return the caller's Watch later."""
    return shown("playlists", watch_later(create=True) or {})


@route(
    blueprint,
    "PUT",
    LATER,
    **LIBRARY,
    summary="Watch it later",
    answers={200: "The item of Watch later. Sending it again changes nothing."},
    returns="playlist_items",
    reasons=["not_found"],
)
def keep_for_later(video: ObjectId) -> Document:
    """Put a readable video into Watch later, once."""
    reads().document("videos", video, g.caller)
    playlist = watch_later(create=True) or {}
    key = {"playlist": playlist["_id"], "video": video}
    items = store().collection("playlist_items")
    found = items.find_one(key)
    if found is None:
        last = items.find_one({"playlist": playlist["_id"]}, sort=[("position", -1)])
        position = after(last["position"] if last else None)
        try:
            found = store().insert("playlist_items", {**key, "owner": g.caller.id, "position": position})
        except AlreadyThere:
            found = items.find_one(key) or {}
    return shown("playlist_items", found)


@route(
    blueprint,
    "DELETE",
    LATER,
    **LIBRARY,
    summary="Do not watch it later",
    answers={204: "It is not in Watch later."},
)
def drop_from_later(video: ObjectId) -> None:
    """Take a video out of Watch later; where it is not in it nothing changes."""
    playlist = watch_later(create=False)
    if playlist:
        store().withdraw("playlist_items", {"playlist": playlist["_id"], "video": video})


@route(
    blueprint,
    "GET",
    "/me/playlisted",
    **{**LIBRARY, "scope": ("playlists", "playlist_items")},
    summary="Which of my playlists hold these",
    description="`ids`: up to 100 ids of videos.",
    answers={200: "`playlists`: for each id the ids of the playlists that hold it."},
    returns=Shape("Playlisted", {"playlists": each({"type": "list", "schema": {"type": "objectid"}})}),
    operation="myPlaylisted",
    reasons=["bad_query"],
    parameters=(IDS,),
)
def playlisted() -> dict[str, Any]:
    """Tell which of the caller's playlists hold each of up to a hundred videos, in one query."""
    ids = asked_ids()
    held: dict[str, list[ObjectId]] = {str(id_): [] for id_ in ids}
    match = {"owner": g.caller.id, "video": {"$in": ids}}
    for item in store().collection("playlist_items").find(match, {"video": 1, "playlist": 1}).sort("_id", 1):
        held[str(item["video"])].append(item["playlist"])
    return {"playlists": held}
