"""Serves event streams, and nothing else, from an event loop: a stream costs some kilobytes and no thread.

A request is answered by the same application as everywhere: limits, credentials, scopes, errors and logs are its own.
Only where it answers with a stream, its frames are sent from here.
"""

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from machine.eve.render import dump
from machine.http.problem import Problem
from machine.http.request_log import choose_id
from machine.streams.streams import STREAM, Stream

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
EVENTS = "text/event-stream"
# URLs that say how the process is, and what it counts.
BESIDE = frozenset(("/livez", "/readyz", "/metrics"))
# How many requests at once may be on their way to their stream; each takes milliseconds.
OPENERS = 4
# No request here has a body. Header names that WSGI could take for others are left out.
DROPPED = frozenset((b"content-length", b"transfer-encoding", b"content-type", b"proxy"))


@dataclass
class Answer:
    """What the application answers: a whole body, or a stream."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    stream: Stream | None
    close: Callable[[], None]


class StreamServer:
    """The ASGI application."""

    def __init__(self, app: Any, places: int) -> None:
        self.app = app
        app.streams.places.most = places
        self.paths = BESIDE | stream_paths(app)
        self.openers = ThreadPoolExecutor(OPENERS, thread_name_prefix="opener")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await live(receive, send)
        elif scope["type"] == "http":
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self.openers, self.answer, environ_of(scope))
            try:
                await respond(answer, receive, send)
            finally:
                await loop.run_in_executor(self.openers, answer.close)

    def answer(self, environ: dict[str, Any]) -> Answer:
        """Let the application answer; a stream is left to be sent."""
        if environ["PATH_INFO"] not in self.paths:
            return not_here(environ)
        begun: list[Any] = []
        parts = self.app.wsgi_app(environ, lambda status, headers, *error: begun.extend((status, headers)))
        stream: Stream | None = environ.get(STREAM)
        close: Callable[[], None] = getattr(parts, "close", lambda: None)
        body = b"" if stream else b"".join(parts)
        status, headers = begun
        return Answer(int(status.split()[0]), encode(headers), body, stream, close)


def stream_paths(app: Any) -> frozenset[str]:
    """Return the paths of the routes that are declared to answer with events."""
    specs = (getattr(view, "spec", None) for view in app.view_functions.values())
    return frozenset(spec.path for spec in specs if spec is not None and spec.content == EVENTS)


def not_here(environ: dict[str, Any]) -> Answer:
    """Refuse what is no stream: another process serves it."""
    request_id = choose_id(environ.get("HTTP_X_REQUEST_ID", ""))
    body = dump(Problem(404, "not_found").body(environ["PATH_INFO"], request_id))
    headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body))),
               ("Cache-Control", "no-store"), ("X-Request-Id", request_id)]  # fmt: skip
    return Answer(404, encode(headers), body, None, lambda: None)


def encode(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI wants them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return a request without a body as WSGI (PEP 3333) describes it."""
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"], "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": str(server[0]), "SERVER_PORT": str(server[1] or ""), "REMOTE_ADDR": str(client[0]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}", "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"], "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr,
        "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip
    for name, value in scope["headers"]:
        if name.lower() in DROPPED or b"_" in name:
            continue
        key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ


async def respond(answer: Answer, receive: Receive, send: Send) -> None:
    """Send an answer: whole, or frame by frame until the stream ends or the client goes."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    if answer.stream is None:
        await send({"type": "http.response.body", "body": answer.body})
        return
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    answer.stream.wake = lambda: call_soon(loop, woken.set)
    gone = loop.create_task(until_gone(receive))
    gone.add_done_callback(lambda task: woken.set())
    try:
        while not gone.done():
            woken.clear()
            # In this order: what is put before the end is seen before it.
            ended, frames = answer.stream.ended, answer.stream.take()
            if frames:
                await send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})
            if ended:
                break
            await woken.wait()
        if not gone.done():
            await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


def call_soon(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Let the loop do something soon, from another thread; a loop that has ended needs to do nothing."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(act)


async def until_gone(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def live(receive: Receive, send: Send) -> None:
    """Say that the application began, and ended."""
    for word in ("startup", "shutdown"):
        while (await receive())["type"] != f"lifespan.{word}":
            pass
        await send({"type": f"lifespan.{word}.complete"})
