"""Make an API key; listing and deleting keys is the resource's part."""

from datetime import timedelta
from typing import Any

from flask import Blueprint

from clients import clock
from features.current import app, caller_id, services, store
from features.identity.answers import Document, invalid, require_session, unauthenticated
from features.identity.api_keys import scopes_of
from machine.current import g
from machine.http.problem import Problem
from machine.http.route import route
from machine.http.shape import ID, LINKS, TEXT, Shape
from machine.write.audit import note
from schemas._fields import of_kind

blueprint = Blueprint("api_keys", __name__)
MOST_KEYS = 50
YEAR_SECONDS = 366 * 86400


@route(
    blueprint, "POST", "/api_keys", access="user", rate="sensitive", tag="api_keys",
    summary="Make an API key",
    description="A key works wherever an access token does, as far as its scopes reach. Shown only now.",
    body={
        "name": {"type": "string", "required": True, "minlength": 1, "maxlength": 60, **of_kind("line")},
        "scopes": {
            "type": "list", "required": True, "minlength": 1, "maxlength": 100,
            "schema": {"type": "string", "maxlength": 60, **of_kind("code")},
        },
        "expires_in": {"type": "integer", "min": 60, "max": YEAR_SECONDS, "nullable": True},
    },
    answers={201: "The key, in `key`, and what is known of it."},
    returns=Shape("ApiKeyMade", {
        "_id": ID, "key": TEXT, "name": TEXT, "user": {"type": "objectid"},
        "scopes": {"type": "list", "schema": {"type": "string"}},
        "expires_at": {"type": "datetime", "nullable": True},
        "last_used_at": {"type": "datetime", "nullable": True},
        "_links": LINKS,
    }),
    reasons=["validation_failed", "session_required", "too_many"],
)  # fmt: skip
def make_key(body: Document) -> Any:
    """Make a key that reaches as far as the scopes asked for; `expires_in` is in seconds."""
    require_session()
    known = scopes_of(resource.name for resource in app().registry if not resource.people_only)
    unknown = sorted(set(body["scopes"]) - set(known))
    if unknown:
        raise invalid({"scopes": f"unknown: {', '.join(unknown)}; known: {', '.join(known)}"})
    if services().db["api_keys"].count_documents({"user": g.caller.id}, limit=MOST_KEYS) >= MOST_KEYS:
        raise Problem(409, "too_many", f"At most {MOST_KEYS} keys; delete one first.")
    seconds = body.get("expires_in")
    document = {
        "user": g.caller.id,
        "name": body["name"],
        "scopes": sorted(set(body["scopes"])),
        "expires_at": clock.now() + timedelta(seconds=seconds) if seconds else None,
        "last_used_at": None,
    }
    stored = store().insert("api_keys", document)
    key = services().tokens.api_keys.make(stored["_id"], stored["expires_at"])
    require_alive(stored)
    target = {"resource": "api_keys", "id": stored["_id"]}
    note(services(), "api_key_made", target, {"scopes": stored["scopes"]})
    reader = app().reads["api_keys"]
    shown = reader.represent(stored, frozenset(("anyone", "user", "owner")))
    return {**shown, "key": key}, 201, {"Location": shown["_links"]["self"]["href"]}


def require_alive(key: Document) -> None:
    """Take a new key back if what asked for it has ended meanwhile: nobody else would."""
    state = services().tokens.liveness.check("sessions", require_session(), caller_id())
    if state is None or not state.active or state.role != g.caller.role:
        store().remove("api_keys", key)
        raise unauthenticated("invalid_token", "It was revoked.")
