"""What the routes of identity share: the rules of bodies, who asks, and the answer to a sign-in."""

from typing import Any

from bson import ObjectId
from flask import request

from features.current import app, caller_id, services, store
from features.identity import accounts, totp
from features.identity.logins import NOT_CARRIED
from features.identity.sessions import Rotation, Sessions
from machine.access.rate import forgive_use, limit_use
from machine.access.rights import CHALLENGE
from machine.current import g
from machine.http.problem import Problem
from machine.http.shape import COUNT, TEXT, Shape
from machine.write.audit import note
from schemas._fields import of_kind

PASSWORD = {"type": "string", "required": True, "minlength": 1, "maxlength": 1024, **of_kind("verbatim")}
# Nothing is wrong with a login that is nobody's, but for what stands around it.
LOGIN = {
    "type": "string",
    "required": True,
    "minlength": 1,
    "maxlength": 254,
    **of_kind("verbatim"),
    "coerce": "code",
}
EMAIL = {"type": "string", "required": True, "minlength": 3, "maxlength": 254, **of_kind("address")}
USERNAME = {"type": "string", "required": True, "minlength": 3, "maxlength": 30, **of_kind("handle")}
TOKEN = {"type": "string", "required": True, "minlength": 1, "maxlength": 200, **of_kind("verbatim")}
CODE = {"type": "string", "required": True, "minlength": 6, "maxlength": 40, **of_kind("verbatim")}
TOKENS = Shape("Tokens", {
    "access_token": TEXT, "refresh_token": TEXT, "token_type": {**TEXT, "allowed": ["Bearer"]}, "expires_in": COUNT,
})  # fmt: skip
Document = dict[str, Any]


def sessions() -> Sessions:
    """Return the sessions service on this app's store."""
    return Sessions(services(), store())


def unauthenticated(reason: str, detail: str = "") -> Problem:
    """Build a 401; it always says how to authenticate (RFC 9110, 11.6.1)."""
    return Problem(401, reason, detail, headers=CHALLENGE)


def invalid(issues: dict[str, str]) -> Problem:
    """Build the 422 of fields that will not do."""
    return Problem(422, "validation_failed", issues=issues)


def require_session() -> ObjectId:
    """Return the session of the caller; refuse API keys where only a person who signed in may act."""
    if g.caller.session is None:
        raise Problem(403, "session_required")
    return g.caller.session


def caller_document() -> Document:
    """Return the caller's own stored document."""
    found: Document | None = store().get("users", caller_id())
    if found is None:
        raise unauthenticated("invalid_token")
    return found


def require_password(password: str) -> None:
    """Ask for the caller's password again; tries count apart from sign-ins, which strangers can fail."""
    limit_use("password", account=str(g.caller.id))
    if not accounts.check_password(services(), caller_id(), password):
        note(services(), "password_check_failed")
        raise Problem(403, "invalid_credentials", issues={"password": "is wrong"})
    forgive_use("password", account=str(g.caller.id))


def require_carried(email: str) -> None:
    """Refuse an address that no letter of ours can reach, as far as the mail server has said."""
    if not services().mail.carries(email):
        raise invalid({"email": NOT_CARRIED})


def require_code(code: str | None) -> None:
    """Ask for a code of the caller's second factor; tries count as those of signing in do."""
    limit_use("code", account=str(g.caller.id))
    if not code or not totp.check(services(), caller_id(), code):
        note(services(), "second_factor_failed")
        raise Problem(422, "invalid_code", issues={"code": "is missing, wrong, or was used before"})
    forgive_use("code", account=str(g.caller.id))


def begin_session(user: Document, generation: int) -> Document:
    """Start a session for a user who has proved their identity, and answer with its tokens.

    `generation`: that of the account when it was proved. If everything has ended since, this must not begin.
    """
    device = request.headers.get("User-Agent", "")
    begun = sessions().start(user["_id"], device, request.remote_addr or "")
    if accounts.generation_of(services(), user["_id"]) != generation:
        sessions().end(user["_id"], only=begun.session)
        raise unauthenticated("invalid_credentials", "The account has changed in this moment; sign in again.")
    return tokens_for(user, begun)


def tokens_for(user: Document, rotation: Rotation) -> Document:
    """Return the answer to a sign-in or refresh (RFC 6749, 5.1)."""
    access_token, seconds = services().tokens.issue(user, rotation.session)
    return {
        "access_token": access_token,
        "refresh_token": rotation.refresh_token,
        "token_type": "Bearer",
        "expires_in": seconds,
    }


def show_own(user: Document) -> Document:
    """Return a user as they see themselves: with the address that they have yet to verify."""
    shown: Document = app().reads["users"].represent(user, frozenset(("anyone", "user", "owner")))
    if not shown.get("email"):
        shown["email"] = accounts.address_of(services(), user)
    return shown
