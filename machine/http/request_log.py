"""Gives every request an id, and writes one line when it is answered."""

import re
import time
import uuid
from functools import cache

import structlog
from flask import Response, request

from machine.current import app, g

ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")
VARIABLE = re.compile(r"<(?:[^:<>]*(?:\(.*?\))?:)?(\w+)>")


def begin() -> None:
    """Take over the client's request id if it is well formed, else make one."""
    g.request_id = choose_id(request.headers.get("X-Request-Id", ""))
    g.began = time.perf_counter()
    bind_request(g.request_id)


def bind_request(request_id: str) -> None:
    """Let every line that this thread logs from now on name the request, and no other."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)


def choose_id(given: str) -> str:
    """Return the client's request id if it is well formed, else a new one."""
    return given if ACCEPTED.fullmatch(given) else uuid.uuid4().hex


def end(response: Response) -> Response:
    """Log the request and echo its id. Paths only: query strings may hold what a client wants kept."""
    response.headers["X-Request-Id"] = g.request_id
    if app().services.access_log.wants(response.status_code):
        app().services.access_log.write(
            method=request.method,
            path=request.path,
            route=route(),
            status=response.status_code,
            reason=g.reason,
            user=str(g.caller.id) if g.caller.id else None,
            seconds=time.perf_counter() - g.began,
        )
    return response


def route() -> str | None:
    """Return the template of the URL that was asked for; None where there is no such."""
    return template(request.url_rule.rule) if request.url_rule else None


@cache
def template(rule: str) -> str:
    """Return a rule of the router as OpenAPI writes it: `/videos/{id}`."""
    return VARIABLE.sub(lambda found: "{" + found[1].strip("_") + "}", rule)
