"""Identifies the caller of every request, public or not."""

import hashlib

from flask import request

from machine.access.caller import ANONYMOUS, Caller
from machine.access.claims import BadToken, TooManyFalse
from machine.access.rights import CHALLENGE
from machine.current import app, g
from machine.http.problem import Problem
from machine.http.route import asked_spec
from machine.services import Services

# The variable of the WSGI environment in which the front leaves its refusal of a credential. No client can set it.
REFUSED = "marquee.refused"


def identify() -> None:
    """Set `g.caller` from `Authorization: Bearer`; anything else in that header is 401, never ignored."""
    g.caller = ANONYMOUS
    header = request.headers.get("Authorization")
    spec = asked_spec()
    if header is None or (spec is not None and not spec.identify):
        return
    refused = request.environ.pop(REFUSED, None)
    if refused is not None:
        raise refused
    g.caller = caller_behind(app().services, header, request.remote_addr or "")


def caller_behind(services: Services, header: str, address: str) -> Caller:
    """Return who stands behind an `Authorization` header; raise the problem that refuses it.

    What is false is counted against the address, and refused with 429 when there was too much of it.
    """
    try:
        return verify(services, header, address)
    except TooManyFalse as error:
        raise Problem(429, "rate_limited", headers=error.verdict.headers()) from error


def verify(services: Services, header: str, address: str) -> Caller:
    """Ask the token service who that is."""
    scheme, _, token = header.partition(" ")
    if (
        scheme.lower() != "bearer"
        or not token
        or not token.isascii()
        or token.split() != [token]
        or "," in token
    ):
        named = hashlib.sha256(header.encode("utf-8", "surrogatepass")).hexdigest()
        services.count_false(named, address)
        raise Problem(401, "invalid_token", "Send `Authorization: Bearer …` once.", headers=CHALLENGE)
    try:
        claims = services.verify(token, address)
    except BadToken as error:
        challenge = {"WWW-Authenticate": CHALLENGE["WWW-Authenticate"] + ', error="invalid_token"'}
        raise Problem(401, "invalid_token", str(error), headers=challenge) from error
    return Caller(
        claims.user, claims.role, claims.session, claims.scopes, claims.username, claims.key, claims.until
    )
