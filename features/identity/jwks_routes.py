"""What others need to verify our tokens."""

from flask import Blueprint, Response

from features.current import services
from machine.eve.render import dump
from machine.http.route import route

blueprint = Blueprint("wellknown", __name__)


@route(
    blueprint, "GET", "/.well-known/jwks.json", root=True, access="anyone", tag="auth",
    summary="The public keys of access tokens", answers={200: "A JWK set (RFC 7517)."},
    content="application/jwk-set+json",
)  # fmt: skip
def jwks() -> Response:
    """Return the keys in use, and the one that will be next."""
    keys = services().tokens.ring.published()
    response = Response(dump({"keys": keys}), mimetype="application/jwk-set+json")
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
