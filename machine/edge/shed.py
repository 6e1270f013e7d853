"""Sheds load: when every thread has been busy for a while, a request that cannot be served soon gets 503.

A queue that only grows ends with answers for clients that have long gone. So once the threads of a process have been
full for `PATIENCE_SECONDS`, a request that would find none of them free gets 503 at once, which costs next to
nothing, until half of them are idle again. Uploads and streams, which hold a thread by their nature, do not count.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from clients.metrics import REQUESTS_SHED
from machine.http.json_text import dump
from machine.http.problem import Problem
from machine.http.request_log import choose_id

log = structlog.get_logger(__name__)
Environ = dict[str, Any]
StartResponse = Callable[..., Any]
PATIENCE_SECONDS = 1.0
RETRY_SECONDS = "2"
LONG = ("multipart/form-data", "application/offset+octet-stream")
NEVER = ("/livez", "/readyz", "/metrics")


class Gate:
    """Stands before the application of one process."""

    def __init__(self, wsgi: Any, threads: int, patience: float = PATIENCE_SECONDS) -> None:
        # Some of the server's threads are kept for refusals, health checks and uploads.
        self.wsgi, self.most, self.patience = wsgi, max(1, threads * 3 // 4), patience
        self.lock = threading.Lock()
        self.busy = 0
        self.full_since: float | None = None
        self.shedding = False

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass a request on, or refuse it."""
        if not counts(environ):
            return self.pass_on(environ, start_response)
        refused = self.enter()
        try:
            return refuse(environ, start_response) if refused else self.pass_on(environ, start_response)
        finally:
            with self.lock:
                self.busy -= 1

    def pass_on(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let the application answer."""
        answer: Iterable[bytes] = self.wsgi(environ, start_response)
        return answer

    def enter(self) -> bool:
        """Count a request in; tell whether it must be refused."""
        with self.lock:
            self.busy += 1
            if self.busy <= self.most // 2:
                self.full_since, self.shedding = None, False
            elif self.busy > self.most and self.full_since is None:
                self.full_since = time.monotonic()
            late = self.full_since is not None and time.monotonic() - self.full_since > self.patience
            refused = late and self.busy > self.most
            first, self.shedding = refused and not self.shedding, self.shedding or refused
        if first:
            log.warning("load_shed", busy=self.most, seconds=self.patience)
        return refused


def counts(environ: Environ) -> bool:
    """Tell whether a request is one of those that end soon."""
    path = environ["PATH_INFO"]
    if path in NEVER or path.endswith("/stream"):
        return False
    return not environ.get("CONTENT_TYPE", "").startswith(LONG)


def refuse(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer 503 in the one shape of errors."""
    REQUESTS_SHED.inc()
    problem = Problem(503, "unavailable", "Too many requests at once. Try again soon.")
    request_id = choose_id(environ.get("HTTP_X_REQUEST_ID", ""))
    body = dump(problem.body(environ["PATH_INFO"], request_id))
    headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body)))]
    headers += [
        ("Cache-Control", "no-store"), ("Retry-After", RETRY_SECONDS), ("X-Request-Id", request_id)
    ]  # fmt: skip
    start_response("503 Service Unavailable", headers)
    return [body]
