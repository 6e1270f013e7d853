"""Moderation: decide reports, block videos, check counters. People decide, and each decision is written down."""

from typing import Any

from bson import ObjectId
from flask import Blueprint

from clients import clock
from features.current import Document, caller_id, shown, store
from machine.counters.recount_jobs import owe_recount
from machine.current import g
from machine.http.problem import Problem
from machine.http.route import action, route
from machine.http.shape import JOB_ACCEPTED
from machine.write.audit_trail import name_deed
from schemas._fields import of_kind
from settings import PREFIX

blueprint = Blueprint("moderation", __name__)
ALIVE: Document = {"deleted_at": None}
# What the three decisions about a report have in common.
DECISION: dict[str, Any] = {
    "body": {"note": {"type": "string", "maxlength": 2000, "nullable": True, **of_kind("prose")}},
    "body_optional": True,
    "answers": {200: "The report as it is now."},
    "returns": "reports",
}


def decide(doc: Document, state: str, body: Document) -> Document:
    """Move a report to a state, with who decided it and why."""
    facts = {"note": body.get("note"), "decided_by": g.caller.id, "decided_at": clock.second()}
    name_deed(doc["_id"], f"report_{state}", note=body.get("note"))
    after = store().move("reports", {"_id": doc["_id"]}, "state", state, set=facts)
    if after is None:
        raise Problem(409, "illegal_state")
    return shown("reports", after)


@action(blueprint, "reports", "accept", **DECISION)
def accept(doc: Document, body: Document) -> Document:
    """Accept a report; what follows from it is another decision."""
    return decide(doc, "accepted", body)


@action(blueprint, "reports", "reject", **DECISION)
def reject(doc: Document, body: Document) -> Document:
    """Reject a report."""
    return decide(doc, "rejected", body)


@action(blueprint, "reports", "reopen", **DECISION)
def reopen(doc: Document, body: Document) -> Document:
    """Open a decided report again."""
    return decide(doc, "open", body)


@route(
    blueprint, "POST", "/admin/videos/<objectid:id_>/block", access="moderator", tag="moderation",
    summary="Block a video", body={"reason": {"type": "string", "maxlength": 500, **of_kind("prose")}},
    body_optional=True,
    answers={200: "The video, seen by its owner and moderators alone."}, returns="videos",
    reasons=["not_found", "illegal_state"], operation="blockVideo",
)  # fmt: skip
def block(id_: ObjectId, body: Document) -> Document:
    """Take a video out of sight; its owner sees why."""
    message = body.get("reason") or "It was blocked by a moderator."
    detail = {
        "code": "blocked",
        "message": message,
        "retryable": False,
        "since": clock.second(),
        "deadline": None,
    }
    name_deed(require_there(id_), "video_blocked", message=message)
    return told(
        store().move("videos", ALIVE | {"_id": id_}, "status", "BLOCKED", set={"status_detail": detail})
    )


@route(
    blueprint, "POST", "/admin/videos/<objectid:id_>/unblock", access="moderator", tag="moderation",
    summary="Unblock a video", answers={200: "The video, as it was before."}, returns="videos",
    reasons=["not_found", "illegal_state"], operation="unblockVideo",
)  # fmt: skip
def unblock(id_: ObjectId) -> Document:
    """Undo a block."""
    name_deed(require_there(id_), "video_unblocked", message=None)
    return told(store().resume("videos", ALIVE | {"_id": id_}, "status"))


def require_there(id_: ObjectId) -> ObjectId:
    """Refuse what concerns a video that is not there."""
    if store().collection("videos").find_one(ALIVE | {"_id": id_}, {"_id": 1}) is None:
        raise Problem(404, "not_found")
    return id_


def told(video: Document | None) -> Document:
    """Return the video after its move; 409 where that was not legal."""
    if video is None:
        raise Problem(409, "illegal_state")
    return shown("videos", video)


@route(
    blueprint, "POST", "/admin/counters/verify", access="admin", rate="sensitive", tag="moderation",
    summary="Recount the counters", body={"fix": {"type": "boolean"}}, body_optional=True,
    answers={202: "The job that recounts; when it has succeeded, its `result` lists the drifts found."},
    returns=JOB_ACCEPTED,
    description="With `fix` each drift is repaired, safely while traffic runs.",
)  # fmt: skip
def verify_counters(body: Document) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Record a job that recounts every counter: it reads everything that is counted, too long for a request to wait."""
    job = owe_recount(store(), caller_id(), bool(body.get("fix")))
    href = f"{PREFIX}/jobs/{job['_id']}"
    links = {"job": {"href": href, "title": "Progress and result"}}
    return {"job": job["_id"], "state": job["state"], "_links": links}, 202, {"Location": href}
