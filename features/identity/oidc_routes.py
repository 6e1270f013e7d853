"""Sign in by the OpenID provider that the settings name; not there when they name none."""

import re
import secrets
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from pymongo.errors import DuplicateKeyError

from features.current import app, services, store
from features.identity import accounts
from features.identity.answers import TOKENS, Document, begin_session, unauthenticated
from features.identity.oidc import STATE_SECONDS, BadSignIn, Person, Provider, ProviderDown
from machine.http.problem import Problem
from machine.http.route import ELSEWHERE, route, send_on
from machine.text.names import is_reserved
from machine.write.audit import note
from settings import PREFIX

blueprint = Blueprint("oidc", __name__)
COOKIE = "marquee_oidc"
PATH = f"{PREFIX}/auth/oidc"
NAME_TRIES = 5


def provider() -> Provider:
    """Return the provider of this app; 404 where none is named."""
    settings = services().settings
    if not settings.oidc_issuer:
        raise Problem(404, "not_found")
    kept = app().extensions
    if "marquee_oidc" not in kept:
        kept["marquee_oidc"] = Provider(services(), f"{settings.public_url}{PATH}/callback")
    found: Provider = kept["marquee_oidc"]
    return found


@route(
    blueprint, "GET", "/auth/oidc/login", access="anyone", rate="login", tag="auth",
    summary="Sign in by the OpenID provider",
    answers={
        200: "The URL to send the browser to, for a script that asks for JSON.",
        302: "To the provider; it sends the browser back to /auth/oidc/callback.",
    },
    returns=ELSEWHERE, reasons=["not_found", "unavailable"], needs="oidc_issuer", operation="beginOidc",
)  # fmt: skip
def begin() -> Response:
    """Send the browser to the provider, with a cookie that only it has when it comes back."""
    try:
        url, browser = provider().begin()
    except ProviderDown as error:
        raise down() from error
    response = send_on(url)
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(
        COOKIE,
        browser,
        max_age=STATE_SECONDS,
        path=PATH,
        httponly=True,
        samesite="Lax",
        secure=services().settings.public_url.startswith("https:"),
    )
    return response


@route(
    blueprint, "GET", "/auth/oidc/callback", access="anyone", rate="login", tag="auth",
    summary="Where the OpenID provider sends the browser back",
    answers={200: "Tokens, as from /auth/login."}, returns=TOKENS, operation="finishOidc",
    reasons=["not_found", "invalid_credentials", "account_suspended", "unavailable"], needs="oidc_issuer",
)  # fmt: skip
def callback() -> Document:
    """Turn the provider's word into a session; the first time, into an account too."""
    state, code = request.args.get("state", ""), request.args.get("code", "")
    try:
        person = provider().finish(state, code, request.cookies.get(COOKIE, ""))
    except BadSignIn as error:
        raise unauthenticated("invalid_credentials", str(error)) from error
    except ProviderDown as error:
        raise down() from error
    user = find_or_create(person)
    if user.get("status") != "active":
        raise Problem(403, "account_suspended")
    generation = accounts.generation_of(services(), user["_id"])
    # A takeover may have ended the link meanwhile: it is read once more, after the generation.
    if not services().db[accounts.IDENTITIES].find_one({"_id": identity_of(person), "user": user["_id"]}):
        raise unauthenticated("invalid_credentials")
    return begin_session(user, generation)


def identity_of(person: Person) -> Document:
    """Return the key of what links a person at the provider to an account."""
    return {"issuer": person.issuer, "subject": person.subject}


def find_or_create(person: Person) -> Document:
    """Return the account of a person. It is found by issuer and subject only: an address proves nothing here."""
    identities, identity = services().db[accounts.IDENTITIES], identity_of(person)
    known = identities.find_one({"_id": identity})
    if known is None:

        def link(user: Document, session: Any) -> None:
            identities.insert_one({"_id": identity, "user": user["_id"]}, session=session)
            made = {"issuer": person.issuer}
            note(services(), "account_made_by_provider", actor=user["_id"], detail=made, session=session)

        try:
            return create(person, link)
        except DuplicateKeyError:  # the same person was faster in another window
            known = identities.find_one({"_id": identity})
    found: Document | None = store().get("users", known["user"]) if known else None
    if found is None:
        raise unauthenticated("invalid_credentials")
    return found


def create(person: Person, link: Callable[[Document, Any], object]) -> Document:
    """Create an account under a name like the provider's. Its address counts if the provider has verified it."""
    email = person.email if accounts.is_address(person.email) else ""
    verified = bool(email) and person.email_verified and accounts.owner_of(services(), email) is None
    base = re.sub(r"[^A-Za-z0-9_.-]", "", person.name.split("@")[0]).lstrip("_.-")[:20]
    if not base or is_reserved(base, services().settings.reserved_names):
        base = "user"
    for turn in range(NAME_TRIES):
        name = base if turn == 0 and len(base) >= 3 else f"{base}-{secrets.token_hex(3)}"
        try:
            return accounts.create(store(), name, email, None, verified=verified, also=link)
        except Problem as problem:
            if problem.reason == "email_taken":
                verified = False
            elif problem.reason != "username_taken":
                raise
    raise Problem(503, "unavailable", headers={"Retry-After": "1"})


def down() -> Any:
    """Build the answer to a provider that is not there."""
    return Problem(503, "unavailable", "The OpenID provider is down.", headers={"Retry-After": "10"})
