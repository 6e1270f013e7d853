"""Turn two-factor sign-in on and off."""

from flask import Blueprint

from features.current import caller_id, services, store
from features.identity import accounts, totp
from features.identity.answers import (
    CODE,
    PASSWORD,
    Document,
    require_code,
    require_password,
    require_session,
)
from features.identity.credentials import SECOND_FACTOR_CHANGED, end_credentials
from machine.current import g
from machine.http.problem import Problem
from machine.http.route import route
from machine.http.shape import TEXT, Shape
from machine.write.audit import note

blueprint = Blueprint("twofactor", __name__)


@route(
    blueprint, "POST", "/me/totp", access="user", rate="sensitive", tag="me",
    summary="Prepare two-factor sign-in",
    description="Nothing changes before the first code is confirmed. `code`: one of the factor in force, where there "
    "is one, or a recovery code.",
    body={"password": PASSWORD, "code": {**CODE, "required": False}},
    answers={200: "The secret, and the URI that authenticator apps scan."},
    returns=Shape("TotpPrepared", {"secret": TEXT, "otpauth_uri": TEXT}),
    reasons=["invalid_credentials", "invalid_code", "session_required", "conflict"], operation="prepareTotp",
)  # fmt: skip
def prepare(body: Document) -> Document:
    """Make a secret for the caller's authenticator; to replace a factor takes a code of that factor."""
    require_session()
    require_password(body["password"])
    held = accounts.read_credentials(services(), g.caller.id)
    if totp.is_on(held):
        require_code(body.get("code"))
    prepared = totp.begin(services(), held, g.caller.username)
    if prepared is None:
        raise Problem(409, "conflict", "The second factor has just been changed.")
    return dict(prepared)


@route(
    blueprint, "POST", "/me/totp/confirm", access="user", rate="sensitive", tag="me",
    summary="Turn two-factor sign-in on", body={"code": CODE},
    answers={200: "On. The recovery codes are shown only now; each works once. Other sessions and keys have ended."},
    returns=Shape("TotpOn", {
        "recovery_codes": {"type": "list", "required": True, "schema": {"type": "string"}},
    }),
    reasons=["invalid_code", "session_required"], operation="confirmTotp",
)  # fmt: skip
def confirm(body: Document) -> Document:
    """Turn it on with the first code of the authenticator."""
    require_session()
    codes = totp.confirm(services(), caller_id(), body["code"])
    if codes is None:
        raise Problem(422, "invalid_code", issues={"code": "is wrong, or nothing was prepared"})
    end_credentials(store(), SECOND_FACTOR_CHANGED, caller_id(), g.caller.session)
    note(services(), "second_factor_on")
    return {"recovery_codes": codes}


@route(
    blueprint, "DELETE", "/me/totp", access="user", rate="sensitive", tag="me",
    summary="Turn two-factor sign-in off", body={"password": PASSWORD, "code": CODE},
    answers={204: "Off. Other sessions and keys have ended."},
    reasons=["invalid_credentials", "invalid_code", "session_required"], operation="turnOffTotp",
)  # fmt: skip
def turn_off(body: Document) -> None:
    """Turn it off; that takes the password and a code."""
    require_session()
    require_password(body["password"])
    if totp.is_on(accounts.read_credentials(services(), g.caller.id)):
        require_code(body["code"])
        note(services(), "second_factor_off")
    totp.end(services(), caller_id())
    end_credentials(store(), SECOND_FACTOR_CHANGED, caller_id(), g.caller.session)
