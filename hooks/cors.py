"""Calls from browsers on other origins: those that the operator names, exactly, and no others (Fetch standard)."""

from flask import Response, request

from machine.current import app

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
ASKED = (
    "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Prefer, X-Request-Id, Repr-Digest"
)
TUS = "Tus-Resumable, Upload-Length, Upload-Offset, Upload-Metadata, Upload-Checksum"
SHOWN = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, Idempotent-Replayed"
TUS_SHOWN = "Tus-Resumable, Tus-Version, Tus-Extension, Upload-Offset, Upload-Length, Upload-Expires"
PREFLIGHT_SECONDS = 600


def allow(response: Response) -> Response:
    """Let a named origin read the answer. No cookies are used, so none are allowed to be sent."""
    origins = app().settings.cors_origins
    if not origins:
        return response
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin not in origins:
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = f"{SHOWN}, {TUS_SHOWN}"
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = f"{ASKED}, {TUS}"
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    return response
