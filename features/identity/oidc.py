"""Sign-in by an OpenID provider: authorization code with PKCE, state and nonce, through Authlib.

Rules: OpenID Connect Core 3.1, RFC 7636 (PKCE), RFC 9700 (best practice). Everything that a sign-in needs to
remember lies in MongoDB, once, so that the callback may reach another process than the start.
"""

import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson
import urllib3
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from clients import clock
from machine.access.sealing import digest

if TYPE_CHECKING:
    from features.backend import Backend

STATES = "oidc_states"
STATE_SECONDS = 600
METADATA_SECONDS = 600.0
LARGEST_ANSWER = 1024 * 1024
# Bound here, not by the token: no `none`, no shared secrets.
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]


class BadSignIn(Exception):
    """The provider's answer, or the browser that brought it, is not believed; the message is fit for the client."""


class ProviderDown(Exception):
    """The provider cannot be reached or does not answer as it must."""


@dataclass(frozen=True)
class Person:
    """Who the provider says somebody is. `issuer` and `subject` together never change."""

    issuer: str
    subject: str
    name: str
    email: str
    email_verified: bool


class Answer:
    """An HTTP answer, with as much of `requests` as Authlib asks for."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status_code, self.body = status, body

    def json(self) -> Any:
        """Parse the body; ValueError if it is no JSON."""
        return orjson.loads(self.body)

    def raise_for_status(self) -> None:
        """Raise ProviderDown unless all is well."""
        if self.status_code >= 400:
            raise ProviderDown(f"the OpenID provider answered {self.status_code}")


class Http:
    """The way to the provider: bounded in time and size, no redirects."""

    def __init__(self) -> None:
        self.pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=3, read=7), retries=False)

    def ask(self, method: str, url: str, body: str | None = None, headers: Any = None) -> Answer:
        """Make one request; ProviderDown if there is no whole answer."""
        try:
            response = self.pool.request(
                method, url, body=body, headers=headers, redirect=False, preload_content=False
            )
            content = response.read(LARGEST_ANSWER + 1)
            response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise ProviderDown("the OpenID provider cannot be reached") from error
        if len(content) > LARGEST_ANSWER:
            raise ProviderDown("the OpenID provider answered too much")
        return Answer(response.status, content)

    def post(self, url: str, data: dict[str, str], headers: dict[str, str], auth: Any) -> Answer:
        """Post a form, with the client's own authentication; what Authlib calls."""
        url, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return self.ask("POST", url, body, headers)

    def get(self, url: str) -> dict[str, Any]:
        """Fetch a JSON object."""
        answer = self.ask("GET", url)
        answer.raise_for_status()
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ProviderDown("the OpenID provider answered no JSON object")
        return found


class Provider:
    """The OpenID provider that the settings name."""

    def __init__(self, services: "Backend", callback: str) -> None:
        self.services, self.settings, self.callback = services, services.settings, callback
        self.http = Http()
        self.known: dict[str, Any] = {}
        self.known_until = 0.0

    def metadata(self) -> dict[str, Any]:
        """Return the provider's own description, at most ten minutes old."""
        if time.monotonic() > self.known_until:
            found = self.http.get(f"{self.settings.oidc_issuer}/.well-known/openid-configuration")
            # A description of another issuer would let one provider speak for another (RFC 9207).
            if str(found.get("issuer", "")).rstrip("/") != self.settings.oidc_issuer:
                raise ProviderDown("the OpenID provider describes another issuer")
            found["keys"] = self.http.get(found["jwks_uri"])
            self.known, self.known_until = found, time.monotonic() + METADATA_SECONDS
        return self.known

    def client(self) -> OAuth2Client:
        """Return the client that speaks the protocol."""
        return OAuth2Client(
            self.http,
            client_id=self.settings.oidc_client_id,
            client_secret=self.settings.oidc_client_secret or None,
            scope="openid profile email",
            redirect_uri=self.callback,
            code_challenge_method="S256",
        )

    def begin(self) -> tuple[str, str]:
        """Return (URL to send the browser to, secret that binds the sign-in to this browser)."""
        endpoint = self.metadata()["authorization_endpoint"]
        state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
        url, _ = self.client().create_authorization_url(
            endpoint, state=state, code_verifier=verifier, nonce=nonce
        )
        self.services.db[STATES].insert_one(
            {
                "_id": digest(state),
                "nonce": nonce,
                "verifier": verifier,
                "browser": digest(browser),
                "expires_at": clock.now() + timedelta(seconds=STATE_SECONDS),
            }
        )
        return url, browser

    def finish(self, state: str, code: str, browser: str) -> Person:
        """Return who came back from the provider. Each state works once, in the browser it was made for."""
        match = {"_id": digest(state), "expires_at": {"$gt": clock.now()}}
        begun = self.services.db[STATES].find_one_and_delete(match)
        if begun is None or not secrets.compare_digest(begun["browser"], digest(browser)):
            raise BadSignIn("This sign-in was not begun here, or took too long.")
        if not code:
            raise BadSignIn("The OpenID provider did not sign anybody in.")
        try:
            tokens = self.client().fetch_token(
                self.metadata()["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=begun["verifier"],
            )
        except (AuthlibBaseError, ValueError) as error:
            raise BadSignIn("The OpenID provider does not confirm this sign-in.") from error
        return self.read(tokens, begun["nonce"])

    def read(self, tokens: dict[str, Any], nonce: str) -> Person:
        """Check the ID token and return whom it names."""
        metadata = self.metadata()
        options = {
            "iss": {"essential": True, "value": metadata["issuer"]},
            "aud": {"essential": True, "value": self.settings.oidc_client_id},
        }
        params = {"nonce": nonce, "client_id": self.settings.oidc_client_id}
        try:
            decoded = self.decode(str(tokens.get("id_token")), metadata["keys"])
            claims = CodeIDToken(decoded.claims, decoded.header, options, params)
            claims.validate(leeway=30)
        except (JoseError, AuthlibBaseError, ValueError, TypeError) as error:
            raise BadSignIn("The OpenID provider's answer does not hold.") from error
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise BadSignIn("The OpenID provider's answer does not hold.")
        return Person(
            issuer=self.settings.oidc_issuer,
            subject=claims["sub"],
            name=str(claims.get("preferred_username") or claims.get("email") or ""),
            email=str(claims.get("email") or ""),
            email_verified=claims.get("email_verified") is True,
        )

    def decode(self, token: str, keys: dict[str, Any]) -> jwt.Token:
        """Check the signature; keys are fetched again once when they do not fit, since providers rotate too."""
        try:
            return jwt.decode(token, key_set(keys), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            fresh = self.http.get(self.metadata()["jwks_uri"])
            self.known["keys"] = fresh
            return jwt.decode(token, key_set(fresh), algorithms=ALGORITHMS)


def key_set(published: dict[str, Any]) -> KeySet:
    """Return the keys that a provider publishes; ValueError where they are none."""
    # The library has a type of its own for the document, which nothing that comes from outside can have.
    return KeySet.import_key_set(published)  # type: ignore[arg-type]
