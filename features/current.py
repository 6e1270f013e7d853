"""What routes of several features share: the application with its store, services and reads, and `?ids=`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from bson import ObjectId
from flask import request

import machine.current
from features.backend import Backend
from machine.access.rights import has_scope, refusal
from machine.current import Application, g
from machine.http.problem import Problem
from machine.read.query import bad
from machine.read.reads import Reads
from machine.write.store import Store

if TYPE_CHECKING:
    from features.uploads.slots import Slots

Document = dict[str, Any]
MOST_IDS = 100
# The parameter that `asked_ids` reads.
IDS = {
    "name": "ids", "in": "query", "required": True,
    "schema": {"type": "string", "pattern": f"^[0-9a-fA-F]{{24}}(,[0-9a-fA-F]{{24}}){{0,{MOST_IDS - 1}}}$"},
}  # fmt: skip


class Platform(Application):
    """The application as the features know it: its services are theirs, too."""

    services: Backend
    # Of the uploads that this process receives.
    receiving: "Slots"


present = cast(Platform, machine.current.present)


def app() -> Platform:
    """Return the application that answers the present request."""
    return present


def store() -> Store:
    """Return its store."""
    return app().store


def services() -> Backend:
    """Return its services."""
    return app().services


def reads() -> Reads:
    """Return its one read path."""
    return app().reads


def caller_id() -> ObjectId:
    """Return the id of whoever is signed in; 401 or 403 where nobody is."""
    if g.caller.id is None:
        raise refusal(g.caller)
    return g.caller.id


def shown(resource: str, document: Mapping[str, Any] | None) -> Document:
    """Return what the caller sees of a document that was just read or written; 404 where it has gone meanwhile."""
    if document is None:
        raise Problem(404, "not_found")
    return reads().written(resource, dict(document), g.caller)


def counters_of(resource: str, id_: ObjectId) -> Document:
    """Return the counters of a document as they are now; none to a key that may not read it."""
    if not has_scope(store().registry[resource], "GET", g.caller):
        return {}
    found: Document = store().collection(resource).find_one({"_id": id_}, {"counters": 1}) or {}
    counters: Document = found.get("counters") or {}
    return counters


def asked_ids(name: str = "ids") -> list[ObjectId]:
    """Read `?ids=a,b,c`: one to a hundred ids."""
    words = [word.strip() for word in request.args.get(name, "").split(",") if word.strip()]
    if not words or len(words) > MOST_IDS or not all(ObjectId.is_valid(w) and len(w) == 24 for w in words):
        raise bad(f"{name} takes one to {MOST_IDS} ids, separated by commas.")
    return [ObjectId(word) for word in dict.fromkeys(words)]
