"""The caller's own account: change it, export all that belongs to it, delete it."""

import secrets
from typing import Any

from bson import ObjectId
from flask import Blueprint, Response
from pymongo.client_session import ClientSession

from features.current import app, caller_id, services, store
from features.identity import accounts, exports, letters
from features.identity.answers import (
    PASSWORD,
    Document,
    caller_document,
    require_password,
    require_session,
    show_own,
)
from features.identity.credentials import ERASED, end_credentials
from machine.access.rights import require_method
from machine.current import g
from machine.eve.render import dump
from machine.http.problem import Problem
from machine.http.route import route
from machine.http.shape import JOB_ACCEPTED
from machine.write.audit import note
from settings import PREFIX

blueprint = Blueprint("me", __name__)


@route(
    blueprint, "GET", "/me", access="user", scope="users", tag="me", summary="My account",
    answers={200: "The account, with what only its owner sees."}, returns="users",
)  # fmt: skip
def show_me() -> Response:
    """Return the caller's account."""
    require_method(app().registry["users"], "GET", g.caller)
    shown = show_own(caller_document())
    response = Response(dump(shown), mimetype="application/json")
    response.set_etag(shown["_etag"])
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@route(
    blueprint, "PATCH", "/me", access="user", scope="users", tag="me", summary="Change my account",
    description="The same as PATCH on /users/{id}: If-Match is required, and the same fields may be changed.",
    takes="users", answers={200: "The account as it is now."}, returns="users",
    reasons=["validation_failed", "bad_etag", "etag_required", "etag_mismatch"],
)  # fmt: skip
def change_me() -> Any:
    """Hand the request to the resource: there is one way to change a user."""
    return app().view_functions["users|item_lookup"](_id=str(g.caller.id))


@route(
    blueprint, "DELETE", "/me", access="user", rate="sensitive", tag="me", summary="Delete my account",
    description="At once and for good. What others built on is kept without a name.",
    body={"password": PASSWORD},
    answers={204: "The account is gone; so is everything that signs in to it."},
    reasons=["invalid_credentials", "session_required"],
)  # fmt: skip
def delete_me(body: Document) -> None:
    """Erase the account. What refers to it follows as each resource declares (`on_parent_delete`)."""
    require_session()
    require_password(body["password"])
    user_id, db = caller_id(), services().db
    end_credentials(store(), ERASED, user_id)
    letters.forget(services(), caller_document())

    def erase(session: ClientSession) -> None:
        user = store().get("users", user_id, session)
        if user is not None and store().remove("users", user, session):
            note(services(), "account_deleted", {"resource": "users", "id": user_id}, session=session)
        # Nobody would look for secrets and addresses that a crash has left without an account.
        db[accounts.CREDENTIALS].delete_one({"_id": user_id}, session=session)
        db[accounts.IDENTITIES].delete_many({"user": user_id}, session=session)

    store().in_transaction(erase)
    services().tokens.liveness.change_user(user_id)
    # Sessions and keys that a request beside this one has begun meanwhile.
    end_credentials(store(), ERASED, user_id)


@route(
    blueprint, "POST", "/me/export", access="user", rate="sensitive", tag="me",
    summary="Export everything of mine",
    answers={202: "The job that makes the zip, and where the zip will be."}, returns=JOB_ACCEPTED,
    reasons=["session_required"],
)  # fmt: skip
def export_me() -> Any:
    """Record the job that makes a zip of everything personal."""
    require_session()
    subject = {"resource": "users", "id": g.caller.id}
    job = services().jobs.owe("export", subject, f"export:{secrets.token_hex(12)}", owner=g.caller.id)
    note(services(), "export_asked")
    links = {
        "job": {"href": f"{PREFIX}/jobs/{job['_id']}", "title": "Job"},
        "download": {"href": f"{PREFIX}/me/export/{job['_id']}", "title": "The zip, once the job succeeded"},
    }
    return {"job": job["_id"], "state": job["state"], "_links": links}, 202


@route(
    blueprint, "GET", "/me/export/<objectid:job>", access="user", tag="me", summary="Download an export",
    answers={200: "A zip; kept for seven days."}, content="application/zip",
    reasons=["not_found", "session_required"], operation="downloadExport",
)  # fmt: skip
def download(job: ObjectId) -> Response:
    """Return the zip of an export that has been made."""
    require_session()
    found = exports.find(services().db, job, caller_id())
    if found is None:
        raise Problem(404, "not_found")
    response = Response(exports.pieces(services().db, job), mimetype="application/zip")
    response.headers["Content-Length"] = str(found["length"])
    response.headers["Content-Disposition"] = 'attachment; filename="marquee-export.zip"'
    response.headers["Cache-Control"] = "no-store"
    return response
