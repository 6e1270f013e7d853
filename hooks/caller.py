"""Identifies the caller of every request, public or not."""

from typing import Any

from flask import current_app, g, request

from policy.access import CHALLENGE
from policy.caller import ANONYMOUS, Caller
from policy.problem import Problem


def identify() -> None:
    """Set `g.caller` from `Authorization: Bearer`; anything else in that header is 401, never ignored."""
    app: Any = current_app
    g.caller = ANONYMOUS
    view = app.view_functions.get(request.endpoint or "")
    header = request.headers.get("Authorization")
    if header is None or not getattr(getattr(view, "spec", None), "identify", True):
        return
    g.caller = caller_behind(app, header)


def caller_behind(app: Any, header: str) -> Caller:
    """Return who stands behind an `Authorization` header; raise the problem that refuses it."""
    scheme, _, token = header.partition(" ")
    if (
        scheme.lower() != "bearer"
        or not token
        or not token.isascii()
        or token.split() != [token]
        or "," in token
    ):
        raise Problem(401, "invalid_token", "Send `Authorization: Bearer …` once.", headers=CHALLENGE)
    return verify(app, token)


def verify(app: Any, token: str) -> Caller:
    """Ask the token service who that is."""
    from services.tokens import BadToken

    try:
        claims = app.services.tokens.verify(token)
    except BadToken as error:
        challenge = {"WWW-Authenticate": CHALLENGE["WWW-Authenticate"] + ', error="invalid_token"'}
        raise Problem(401, "invalid_token", str(error), headers=challenge) from error
    return Caller(
        claims.user, claims.role, claims.session, claims.scopes, claims.username, claims.key, claims.until
    )
