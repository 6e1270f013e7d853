"""Gives every request an id, and writes one line when it is answered."""

import re
import time
import uuid
from typing import Any

import structlog
from flask import Response, current_app, g, request

log = structlog.get_logger("access")
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")


def begin() -> None:
    """Take over the client's request id if it is well formed, else make one."""
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if ACCEPTED.fullmatch(given) else uuid.uuid4().hex
    g.began = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def end(response: Response) -> Response:
    """Log the request and echo its id. Paths only: query strings may hold what a client wants kept."""
    response.headers["X-Request-Id"] = g.get("request_id", "")
    caller: Any = g.get("caller")
    log.info(
        "request",
        method=request.method,
        path=request.path,
        route=str(request.url_rule) if request.url_rule else None,
        status=response.status_code,
        reason=g.get("reason"),
        user=str(caller.id) if caller and caller.id else None,
        ms=round((time.perf_counter() - g.get("began", time.perf_counter())) * 1000, 1),
        app=current_app.name,
    )
    return response
