"""Sign up, sign in, stay signed in, sign out."""

import logging
from typing import Any

from flask import Blueprint, Response, request

from features.current import caller_id, services, store
from features.identity import accounts, credentials, letters, totp
from features.identity.answers import (
    CODE,
    EMAIL,
    LOGIN,
    PASSWORD,
    TOKEN,
    TOKENS,
    USERNAME,
    Document,
    begin_session,
    invalid,
    require_carried,
    require_session,
    sessions,
    show_own,
    tokens_for,
    unauthenticated,
)
from features.identity.credentials import end_credentials
from features.identity.guesses import Guesses
from features.identity.passwords import Busy
from features.identity.sessions import BadRefresh, RefreshRaced, RefreshReused
from features.identity.signing_keys import KeysUnusable
from machine.access.rate import forgive_use, limit_use
from machine.current import g
from machine.http.errors import answer_problem
from machine.http.problem import Problem
from machine.http.route import route
from machine.write.audit import note

blueprint = Blueprint("auth", __name__)
log = logging.getLogger(__name__)


@blueprint.app_errorhandler(Busy)
def answer_busy(error: Busy) -> Response:
    """Say that too many passwords are being checked at once."""
    return answer_problem(Problem(503, "unavailable", headers={"Retry-After": "2"}))


@blueprint.app_errorhandler(KeysUnusable)
def answer_no_key(error: KeysUnusable) -> Response:
    """Say that nobody can sign in now; the reason is only logged."""
    log.error("no token can be signed: %s", error)
    return answer_problem(Problem(503, "unavailable", headers={"Retry-After": "60"}))


@route(
    blueprint, "POST", "/auth/register", access="anyone", rate="register", tag="auth", summary="Sign up",
    description="The address stays a claim until the letter sent to it is answered.",
    body={"username": USERNAME, "email": EMAIL, "password": PASSWORD},
    answers={201: "The new account, as its owner sees it."}, returns="users",
    reasons=["validation_failed", "username_taken", "rate_limited"],
)  # fmt: skip
def register(body: Document) -> Any:
    """Create an account with the role `user`, and record the letter that verifies its address."""
    require_carried(body["email"])
    try:
        user = accounts.create(store(), body["username"], body["email"], body["password"])
    except accounts.BadAccount as error:
        raise invalid(error.issues) from error
    if may_write_to(body["email"]):
        letters.owe(services(), letters.VERIFY, user["_id"], counted_for=body["email"])
    shown = show_own(user)
    return shown, 201, {"Location": shown["_links"]["self"]["href"]}


@route(
    blueprint, "POST", "/auth/login", access="anyone", rate="login", tag="auth", summary="Sign in",
    description="`login` is the user name or the e-mail address. `code`: where two-factor sign-in is on.",
    body={"login": LOGIN, "password": PASSWORD, "code": {**CODE, "required": False, "minlength": 0}},
    answers={200: "An access token, a refresh token, and how many seconds the first lives."}, returns=TOKENS,
    reasons=["invalid_credentials", "second_factor_required", "invalid_code", "account_suspended"],
)  # fmt: skip
def login(body: Document) -> Document:
    """Sign in: check the password, and the code where there is a second factor, and begin a session."""
    tried = accounts.candidates(services(), body["login"])
    guesses = Guesses(body["login"], tried)
    guesses.count()
    proved = accounts.authenticate(services(), body["password"], tried)
    if proved is None:
        raise unauthenticated("invalid_credentials")
    user = proved.user
    if user.get("status") != "active":
        raise Problem(403, "account_suspended")
    if totp.is_on(proved.credentials):
        check_code(user, body.get("code"))
    guesses.forgive(user)
    return begin_session(user, proved.generation)


def may_write_to(email: str) -> bool:
    """Count a letter to an address; tell whether it may go out. Signing up goes on without it, and tells nobody."""
    verdict = services().limiter.hit("letter", None, request.remote_addr or "", recipient=email)
    return bool(verdict.allowed)


def check_code(user: Document, code: str | None) -> None:
    """Refuse a sign-in without its second factor."""
    if not code:
        raise unauthenticated("second_factor_required")
    # Six digits are few: somebody who has the password gets fewer tries, and a daily limit.
    limit_use("code", account=str(user["_id"]))
    if not totp.check(services(), user["_id"], code):
        note(services(), "second_factor_failed", actor=user["_id"])
        raise unauthenticated("invalid_code")
    forgive_use("code", account=str(user["_id"]))


@route(
    blueprint, "POST", "/auth/refresh", access="anyone", rate="refresh", tag="auth", summary="Stay signed in",
    description="Exchanges a refresh token for the next; again within seconds, if the answer was lost, for the same "
    "one. A used token that comes back later, or after its successor was used, ends its session.",
    body={"refresh_token": TOKEN},
    answers={200: "New tokens, as from /auth/login."}, returns=TOKENS,
    reasons=["invalid_token", "refresh_raced", "account_suspended"],
)  # fmt: skip
def refresh(body: Document) -> Document:
    """Exchange a refresh token."""
    try:
        rotation = sessions().rotate(body["refresh_token"])
    except RefreshRaced as error:
        raise Problem(409, "refresh_raced") from error
    except RefreshReused as error:
        target = {"resource": "sessions", "id": error.session}
        note(services(), "refresh_reused", target=target, actor=error.user)
        raise unauthenticated("invalid_token", "It was used before; the session has ended.") from error
    except BadRefresh as error:
        raise unauthenticated("invalid_token") from error
    user = rotation.account
    if user is None or user.get("status") != "active":
        sessions().end(rotation.user, only=rotation.session)
        raise Problem(403, "account_suspended")
    return tokens_for(user, rotation)


@route(
    blueprint, "POST", "/auth/logout", access="user", tag="auth", summary="Sign out",
    answers={204: "Signed out; the access token is refused from now on."}, reasons=["session_required"],
)  # fmt: skip
def logout() -> None:
    """End this session."""
    require_session()
    end_credentials(store(), credentials.LOGGED_OUT, caller_id(), g.caller.session)


@route(
    blueprint, "POST", "/auth/logout-all", access="user", tag="auth", summary="Sign out everywhere",
    answers={204: "Every session has ended, this one too, and every API key."}, reasons=["session_required"],
)  # fmt: skip
def logout_all() -> None:
    """End every session and key of the caller."""
    require_session()
    end_credentials(store(), credentials.LOGGED_OUT_ALL, caller_id())
    note(services(), "sessions_ended", detail={"kept": None})


@route(
    blueprint, "POST", "/auth/logout-others", access="user", tag="auth", summary="Sign out everywhere else",
    answers={204: "Every other session has ended, and every API key."}, reasons=["session_required"],
)  # fmt: skip
def logout_others() -> None:
    """End every session and key of the caller but this session."""
    require_session()
    end_credentials(store(), credentials.LOGGED_OUT_OTHERS, caller_id(), g.caller.session)
    note(services(), "sessions_ended", detail={"kept": g.caller.session})
