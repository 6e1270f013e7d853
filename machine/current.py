"""The application and the request that this thread is answering, typed: Flask's `current_app` and `g`, taken from here.

Flask gives each request an object of the class that the application names (`app_ctx_globals_class`), so `g` holds
what `RequestState` declares, and nothing else: tests/machine/test_current.py.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import flask
from flask.ctx import _AppCtxGlobals
from flask_caching import Cache

from machine.access.caller import ANONYMOUS, Caller
from machine.access.rates import Verdict
from machine.declare.registry import Registry
from machine.read.reads import Reads
from machine.services import Services
from machine.streams.streams import Streams
from machine.write.in_flight import Write
from machine.write.store import Store
from settings import Settings


@dataclass
class RequestState:
    """What the parts of the code that answer one request tell each other."""

    request_id: str = ""
    # By time.perf_counter, in seconds.
    began: float = field(default_factory=time.perf_counter)
    caller: Caller = ANONYMOUS
    # What the limiter said last; None until it was asked.
    verdict: Verdict | None = None
    # The reason of the refusal, where it is one.
    reason: str | None = None
    # What is being written, of POST, PATCH, PUT, DELETE and the actions.
    write: Write = field(default_factory=Write)


@dataclass(repr=False)
class Globals(RequestState, _AppCtxGlobals):
    """The same as Flask makes it, with the methods of a mapping that Flask and Eve expect."""


class Application:
    """What the code around a request may use of the application."""

    app_ctx_globals_class = Globals

    settings: Settings
    services: Services
    registry: Registry
    store: Store
    reads: Reads
    streams: Streams
    # The resource behind each of Eve's names: a mount is a resource of its own to Eve.
    base_of: dict[str, str]
    view_functions: dict[str, Callable[..., Any]]
    # What the application itself remembers, shared with the front.
    cache: Cache
    extensions: dict[str, Any]


g = cast(RequestState, flask.g)
present = cast(Application, flask.current_app)


def app() -> Application:
    """Return the application that answers the present request."""
    return present
