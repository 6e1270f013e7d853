"""Change or recover the password and the address of an account. No answer tells who has an account."""

from typing import Any

from flask import Blueprint

from features.current import caller_id, services, store
from features.identity import accounts, credentials, letters
from features.identity import one_time_tokens as onetime
from features.identity.answers import (
    EMAIL,
    PASSWORD,
    TOKEN,
    Document,
    caller_document,
    invalid,
    require_carried,
    require_password,
    require_session,
)
from features.identity.credentials import end_credentials
from features.identity.passwords import complaint
from machine.access.rate import limit_use
from machine.current import g
from machine.http.problem import Problem
from machine.http.route import route
from machine.http.shape import FLAG, TEXT, Shape
from machine.write.audit import note

blueprint = Blueprint("recovery", __name__)
ACCEPTED = Shape("Accepted", {"status": {**TEXT, "allowed": ["accepted"]}})


@route(
    blueprint, "POST", "/auth/password", access="user", rate="sensitive", tag="auth",
    summary="Change the password",
    body={"current": PASSWORD, "password": PASSWORD},
    answers={204: "Changed; every other session and every API key has ended."},
    reasons=["invalid_credentials", "validation_failed", "session_required"],
)  # fmt: skip
def change_password(body: Document) -> None:
    """Change the caller's password; the present one is asked for."""
    require_session()
    require_password(body["current"])
    user = caller_document()
    try:
        accounts.set_password(services(), user, body["password"], lambda: end_credentials(
            store(), credentials.PASSWORD_CHANGED, user["_id"], g.caller.session
        ))  # fmt: skip
    except accounts.BadAccount as error:
        raise invalid(error.issues) from error
    note(services(), "password_changed")
    letters.owe(services(), letters.PASSWORD_CHANGED, g.caller.id)


@route(
    blueprint, "POST", "/auth/forgot", access="anyone", rate="reset", tag="auth",
    summary="Ask for a new password",
    body={"email": EMAIL},
    answers={202: "If an account has this address, a letter is on its way. The answer is always this one."},
    returns=ACCEPTED, reasons=["rate_limited"], operation="forgotPassword",
)  # fmt: skip
def forgot(body: Document) -> Any:
    """Record a letter with a reset token; for an address that nobody has, do the same work, without a letter."""
    require_carried(body["email"])
    limit_use("letter", recipient=body["email"])
    owner = accounts.owner_of(services(), body["email"])
    claimants = accounts.claimants_of(services(), body["email"])
    first, *others = [user["_id"] for user in ([owner] if owner else claimants)] or [None]
    letters.owe(services(), letters.RESET, first, others=others)
    return {"status": "accepted"}, 202


@route(
    blueprint, "POST", "/auth/reset", access="anyone", rate="reset", tag="auth", summary="Set a new password",
    body={"token": TOKEN, "password": PASSWORD},
    description="A letter to an address that nobody had confirmed proves it too: everything that signed in to the "
    "account before ends, its second factor and webhooks as well.",
    answers={204: "Set; every session and API key has ended. Sign in with the new password."},
    reasons=["invalid_token", "validation_failed", "email_taken"], operation="resetPassword",
)  # fmt: skip
def reset(body: Document) -> None:
    """Set a new password with the token of a letter."""
    wrong = complaint(body["password"])
    if wrong:
        raise invalid({"password": wrong})
    redeemed = onetime.redeem(services().db, onetime.RESET, body["token"])
    user = store().get("users", redeemed["user"]) if redeemed else None
    proof = accounts.was_sent_to(services(), user, redeemed["address"]) if redeemed and user else None
    if user is None or proof is None:
        raise bad_token()
    event = credentials.PASSWORD_RESET if proof == "proved" else credentials.TAKEN_OVER

    def end() -> None:
        end_credentials(store(), event, user["_id"])

    try:
        accounts.set_password(services(), user, body["password"], end)
    except accounts.BadAccount as error:
        raise invalid(error.issues) from error
    if redeemed and proof == "claimed":
        accounts.confirm_address(store(), user["_id"], redeemed["address"])
    note(services(), "password_reset", actor=user["_id"], detail={"address": proof})
    letters.owe(services(), letters.PASSWORD_CHANGED, user["_id"])


@route(
    blueprint, "POST", "/auth/verify-email", access="user", rate="verify", tag="auth",
    summary="Verify an address",
    description="By a session of the account that the letter is for: who only has the letter may share the address "
    "with nobody's account.",
    body={"token": TOKEN},
    answers={200: "The address now belongs to the account, and to no other."},
    reasons=["invalid_token", "email_taken", "session_required"],
    returns=Shape("EmailVerified", {"email_verified": FLAG}),
)  # fmt: skip
def verify_email(body: Document) -> Document:
    """Give an address to the caller's account, who shows the letter sent to it."""
    require_session()
    before = caller_document()
    redeemed = onetime.redeem(services().db, onetime.VERIFY, body["token"], before["_id"])
    if redeemed is None or not accounts.confirm_address(store(), before["_id"], redeemed["address"]):
        raise bad_token()
    changed = before.get("email")
    end_credentials(
        store(), credentials.ADDRESS_CHANGED if changed else credentials.ADDRESS_PROVED, before["_id"]
    )
    if before.get("email"):
        note(services(), "email_changed", actor=before["_id"])
        letters.owe(services(), letters.ADDRESS_CHANGED, before["_id"], address=before["email"])
    return {"email_verified": True}


@route(
    blueprint, "POST", "/me/verify-email", access="user", rate="sensitive", tag="me",
    summary="Send the letter that verifies the address again",
    answers={202: "If there is an address to verify, a letter is on its way."}, reasons=["session_required"],
    returns=ACCEPTED, operation="sendVerification",
)  # fmt: skip
def send_again() -> Any:
    """Send the verification letter again."""
    require_session()
    claim = accounts.read_credentials(services(), g.caller.id).get("claim")
    if claim:
        require_carried(claim)
        limit_use("letter", recipient=claim)
        letters.owe(services(), letters.VERIFY, g.caller.id, counted_for=claim)
    return {"status": "accepted"}, 202


@route(
    blueprint, "POST", "/me/email", access="user", rate="sensitive", tag="me",
    summary="Change the e-mail address",
    description="The present address stays until the letter to the new one is answered.",
    body={"email": EMAIL, "password": PASSWORD},
    answers={202: "A letter to the new address is on its way."}, returns=ACCEPTED,
    reasons=["invalid_credentials", "validation_failed", "session_required"],
)  # fmt: skip
def change_email(body: Document) -> Any:
    """Claim another address; the password is asked for."""
    require_session()
    require_password(body["password"])
    require_carried(body["email"])
    limit_use("letter", recipient=body["email"])
    try:
        accounts.claim_address(services(), caller_id(), body["email"])
    except accounts.BadAccount as error:
        raise invalid(error.issues) from error
    letters.owe(services(), letters.VERIFY, g.caller.id, counted_for=body["email"])
    return {"status": "accepted"}, 202


def bad_token() -> Problem:
    """Build the answer to a mailed token that is unknown, used or expired."""
    return Problem(400, "invalid_token", "It is unknown, was used before, or has expired.")
