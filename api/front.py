"""The front: anonymous reads of resources end here, before Flask; everything else passes through untouched.

Three layers, each asked before the next: this process's memory (at most 250 ms old), Redis (current by its tags),
and the one read path. What is not a plain 200 or 304 (refusals, unknown URLs, odd headers) is Flask's to answer, so
errors, logs and headers have one source.
"""

import itertools
import re
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl

from bson import ObjectId
from pymongo.errors import PyMongoError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from api.compress import ENCODINGS, choose_encoding
from api.places import Place
from api.reads import Reader
from api.render import dump
from policy.caller import ANONYMOUS
from policy.resource import Mount
from policy.tags import touched
from services.cache import EVERYTHING, Entry
from services.metrics import CACHE_EVENTS, note_request
from settings import PREFIX

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

# No reader sees anything older than this many seconds after a write.
STALENESS = 0.25
RENEWAL = 0.05
MEMORY_ENTRIES = 2048
LARGEST_IN_MEMORY = 256 * 1024
# How long one process may take to compute what others wait for, in seconds.
COMPUTING = 2.0
ID = re.compile(r"[a-f0-9]{24}")
LONGEST_KEY = 2048
COUNT = {name: CACHE_EVENTS.labels(name) for name in ("memory", "redis", "stale", "waited", "computed")}


@dataclass(slots=True)
class Page:
    """An answer ready to send: its headers but for the request's own, and its body per encoding."""

    etag: str
    headers: list[tuple[str, str]]
    bodies: dict[str, bytes]
    tags: tuple[str, ...]
    route: str = ""
    until: float = 0.0
    # From when on one reader asks anew, while the others go on with this.
    renew: float = 0.0
    ready: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def headers_of(self, encoding: str) -> list[tuple[str, str]]:
        """Return the headers of one encoding, but for those of the request; made once."""
        known = self.ready.get(encoding)
        if known is None:
            # Another encoding is another sequence of bytes: its validator is a weak one (RFC 9110 section 8.8.3).
            etag = self.etag if encoding == "identity" else f"W/{self.etag}"
            known = self.ready[encoding] = [("ETag", etag), *self.headers]
        return known

    def body_of(self, encoding: str) -> bytes:
        """Return the body in one encoding; packed once."""
        body = self.bodies.get(encoding)
        if body is None:
            body = self.bodies[encoding] = ENCODINGS[encoding](self.bodies["identity"])
        return body


@dataclass(slots=True)
class Target:
    """What a URL names: a list or an item of a resource."""

    reader: Reader
    id: ObjectId | None = None
    mount: Mount | None = None
    parent_id: ObjectId | None = None


class Front:
    """The WSGI layer. `app` is the Flask application whose reads it answers."""

    def __init__(self, app: Any, inner: Wsgi) -> None:
        self.app = app
        self.inner = inner
        self.cache = app.services.cache
        self.log = app.services.access_log
        self.keeps, self.shares = app.settings.read_cache == "on", app.settings.read_cache != "off"
        self.mounts = {
            (mount.parent, mount.segment): (app.reads[resource.name], mount)
            for resource in app.registry
            for mount in resource.mounts
        }
        self.resources: dict[str, tuple[str, ...]] = {}
        self.memory: OrderedDict[str, Page] = OrderedDict()
        self.keys_of: dict[str, set[str]] = {}
        # How often this process has made something stale.
        self.bumps = 0
        self.cache.on_bump.append(self.forget)
        self.flights: dict[str, threading.Event] = {}
        self.lock = threading.Lock()
        self.ids = map("{:s}{:08x}".format, itertools.repeat(uuid.uuid4().hex[:16]), itertools.count())

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer from the front if this is an anonymous read of a resource, else pass it on."""
        if (
            environ["REQUEST_METHOD"] not in ("GET", "HEAD")
            or "HTTP_AUTHORIZATION" in environ
            or (self.app.settings.cors_origins and "HTTP_ORIGIN" in environ)
            or not takes_json(environ.get("HTTP_ACCEPT", "*/*"))
            or not environ["PATH_INFO"].startswith(PREFIX)
        ):
            return self.inner(environ, start_response)
        began = time.perf_counter()
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        page = self.remembered(f"{path}?{query}")
        target = self.target(path) if page is None else None
        if page is None and target is None:
            return self.inner(environ, start_response)
        verdict = self.app.services.limiter.hit("read", None, environ.get("REMOTE_ADDR", ""))
        if verdict.allowed and target is not None:
            page = self.find(f"{path}?{query}", target, query)
        if page is None or not verdict.allowed:
            return self.inner(environ, start_response)
        return self.send(page, environ, start_response, verdict, began)

    def remembered(self, key: str) -> Page | None:
        """Return a page that this process keeps and that is young enough."""
        page = self.memory.get(key)
        if page is None or page.until <= (now := time.monotonic()):
            return None
        if page.renew <= now:
            # One reader asks anew a little early, so that not all of them do so together at the end.
            page.renew = page.until
            return None
        COUNT["memory"].inc()
        return page

    def find(self, key: str, target: Target, query: str) -> Page | None:
        """Return the page of a target: from Redis, or computed; None where it is Flask's to answer."""
        if len(key) > LONGEST_KEY:
            return None
        seconds = target.reader.resource.cache if self.shares else 0
        return self.shared(key, target, query, seconds) if seconds else self.compute(key, target, query, 0)

    def target(self, path: str) -> Target | None:
        """Read a path below the prefix: a list, an item, or a list below an item."""
        match path.removeprefix(PREFIX).strip("/").split("/"):
            case [name] if name in self.app.registry:
                return Target(self.app.reads[name])
            case [name, id_] if name in self.app.registry and ID.fullmatch(id_):
                return Target(self.app.reads[name], ObjectId(id_))
            case [name, id_, segment] if (name, segment) in self.mounts and ID.fullmatch(id_):
                reader, mount = self.mounts[name, segment]
                return Target(reader, None, mount, ObjectId(id_))
        return None

    def shared(self, key: str, target: Target, query: str, seconds: float) -> Page | None:
        """Return what all processes share, computing it once where it is missing or overtaken."""
        since = self.bumps
        entry = self.cache.get(key)
        if entry is not None and entry.fresh:
            COUNT["redis"].inc()
            return self.keep(key, unfreeze(entry), since)
        stale = entry if entry is not None and time.time() - entry.stale_since < STALENESS else None
        with self.lock:
            flight = self.flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self.flights[key] = threading.Event()
        if not leads:
            return self.wait(key, target, query, seconds, flight, stale)
        try:
            if self.cache.available and not self.cache.try_lock(key, COMPUTING):
                page = self.await_others(key, stale)
                if page is not None:
                    return page
            page = self.compute(key, target, query, seconds)
            if self.cache.available:
                self.cache.unlock(key)
            return page
        finally:
            del self.flights[key]
            flight.set()

    def wait(
        self,
        key: str,
        target: Target,
        query: str,
        seconds: float,
        flight: threading.Event,
        stale: Entry | None,
    ) -> Page | None:
        """Let another thread compute; meanwhile an answer that is hardly stale will do."""
        if stale is not None:
            COUNT["stale"].inc()
            return unfreeze(stale)
        COUNT["waited"].inc()
        flight.wait(COMPUTING)
        page = self.memory.get(key)
        if page is not None and page.until > time.monotonic():
            return page
        entry = self.cache.get(key)
        if entry is not None and entry.fresh:
            return unfreeze(entry)
        return self.compute(key, target, query, seconds)

    def await_others(self, key: str, stale: Entry | None) -> Page | None:
        """Let another process compute; None when it does not deliver in time."""
        if stale is not None:
            COUNT["stale"].inc()
            return unfreeze(stale)
        COUNT["waited"].inc()
        deadline, pause = time.monotonic() + COMPUTING, 0.002
        while time.monotonic() < deadline and self.cache.available:
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
            since, entry = self.bumps, self.cache.get(key)
            if entry is not None and entry.fresh:
                return self.keep(key, unfreeze(entry), since)
        return None

    def compute(self, key: str, target: Target, query: str, seconds: float) -> Page | None:
        """Ask the read path; store the answer under the generations that stood before."""
        COUNT["computed"].inc()
        since = self.bumps
        # What is kept nowhere needs no tags.
        tags = {EVERYTHING} if seconds or self.keeps else None
        early = (EVERYTHING, *map(touched, self.involved(target))) if seconds else ()
        then = self.cache.generations(early) if seconds else None
        try:
            shown = self.read(target, query, tags)
        except (HTTPException, PyMongoError, UnicodeError, ValueError):
            # Flask answers it again, in full.
            return None
        page = make_page(dump(shown), shown.get("_etag", "") if target.id else "", tags or set(), seconds)
        if then is not None:
            self.store(key, page, early, then, seconds)
        return self.keep(key, page, since)

    def involved(self, target: Target) -> tuple[str, ...]:
        """Return every resource that an answer may be built from."""
        known = self.resources.get(target.reader.resource.name)
        if known is None:
            names, ahead = set(), [target.reader.resource]
            while ahead:
                resource = ahead.pop()
                names.add(resource.name)
                fields = {*resource.embeds, *(mount.field for mount in resource.mounts)} | {
                    resource.readable_with
                }
                targets = {resource.references[field] for field in fields if field}
                ahead += [self.app.registry[name] for name in targets - names]
            known = self.resources[target.reader.resource.name] = tuple(sorted(names))
        return known

    def store(
        self, key: str, page: Page, early: tuple[str, ...], then: list[bytes | None], seconds: float
    ) -> None:
        """Store a page unless something it was built from changed while it was computed."""
        now = self.cache.generations((*early, *page.tags))
        if now is None or now[: len(early)] != then:
            return
        entry = Entry({"etag": page.etag, "headers": page.headers}, page.bodies["identity"], page.tags)
        self.cache.put(key, entry, now[len(early) :], seconds)

    def read(self, target: Target, query: str, tags: set[str] | None) -> dict[str, Any]:
        """Read a list or an item as an anonymous caller, noting what it is built from."""
        args = MultiDict(parse_qsl(query, keep_blank_values=True, max_num_fields=20))
        reader, reads = target.reader, self.app.reads
        if target.id is not None:
            return reader.item(target.id, args, ANONYMOUS, tags)
        path = f"{PREFIX}/{reader.resource.name}"
        if target.mount is None:
            return reader.page(Place(path), args, ANONYMOUS, tags)
        above = reads.with_parent(target.mount.parent, target.parent_id, ANONYMOUS, tags)
        path = f"{PREFIX}/{target.mount.parent}/{target.parent_id}/{target.mount.segment}"
        return reader.page(Place(path, target.mount, *above), args, ANONYMOUS, tags)

    def keep(self, key: str, page: Page, since: int) -> Page:
        """Keep a page in memory for a moment, unless this process has written something since it was begun."""
        if not self.keeps or len(page.bodies["identity"]) > LARGEST_IN_MEMORY:
            return page
        page.until = time.monotonic() + STALENESS
        page.renew = page.until - RENEWAL
        with self.lock:
            if self.bumps != since:
                return page
            self.memory[key] = page
            self.memory.move_to_end(key)
            for tag in page.tags:
                self.keys_of.setdefault(tag, set()).add(key)
            while len(self.memory) > MEMORY_ENTRIES:
                self.drop(next(iter(self.memory)))
        return page

    def drop(self, key: str) -> None:
        """Forget a page. The caller holds the lock."""
        page = self.memory.pop(key, None)
        for tag in page.tags if page else ():
            keys = self.keys_of.get(tag, set())
            keys.discard(key)
            if not keys:
                self.keys_of.pop(tag, None)

    def forget(self, tags: Iterable[str]) -> None:
        """Forget at once what this process itself has just made stale: who writes here reads his write here."""
        with self.lock:
            self.bumps += 1
            for tag in tags:
                for key in list(self.keys_of.get(tag, ())):
                    self.drop(key)

    def send(
        self, page: Page, environ: Environ, start_response: StartResponse, verdict: Any, began: float
    ) -> Iterable[bytes]:
        """Send a page, or 304 to who has it."""
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = (
            given
            if 8 <= len(given) <= 64 and given.replace("-", "").isalnum() and given.isascii()
            else next(self.ids)
        )
        encoding = choose_encoding(environ.get("HTTP_ACCEPT_ENCODING", ""))
        headers = [*page.headers_of(encoding), ("X-Request-Id", request_id), *verdict.headers().items()]
        known = environ.get("HTTP_IF_NONE_MATCH")
        if known and (page.etag in known or known.strip() == "*"):
            start_response("304 NOT MODIFIED", headers)
            self.note(environ, page, 304, request_id, began)
            return [b""]
        body = page.body_of(encoding)
        if encoding != "identity":
            headers.append(("Content-Encoding", encoding))
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        self.note(environ, page, 200, request_id, began)
        return [b""] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def note(self, environ: Environ, page: Page, status: int, request_id: str, began: float) -> None:
        """Count and log a request as hooks/metrics.py and hooks/request_log.py do behind the front."""
        method, path, seconds = environ["REQUEST_METHOD"], environ["PATH_INFO"], time.perf_counter() - began
        route = page.route = page.route or self.route(path)
        note_request(method, route, status, seconds)
        if self.log.wants(status):
            facts = {"method": method, "path": path, "route": route, "request_id": request_id}
            self.log.write(status=status, seconds=seconds, **facts)

    def route(self, path: str) -> str:
        """Return the template of a path that the front has answered."""
        match path.removeprefix(PREFIX).strip("/").split("/"):
            case [name, _]:
                return f"{PREFIX}/{name}/{{id}}"
            case [name, _, segment]:
                return f"{PREFIX}/{name}/{{{self.mounts[name, segment][1].field}}}/{segment}"
        return path.rstrip("/")


def takes_json(accept: str) -> bool:
    """Tell whether a client clearly takes JSON; where it may not, the application decides."""
    return "*/*" in accept or "json" in accept


def make_page(body: bytes, stored_etag: str, tags: set[str], seconds: float) -> Page:
    """Build a page with its validator and what a cache in front of us may do with it."""
    digest = blake2b(body, digest_size=8).hexdigest()
    etag = f'"{stored_etag}.{digest}"' if stored_etag else f'"{digest}"'
    headers = [
        ("Cache-Control", "public, no-cache"),
        ("Vary", "Authorization, Accept-Encoding"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if seconds:
        headers += [
            ("Surrogate-Control", f"max-age={int(seconds)}"),
            ("Surrogate-Key", " ".join(sorted(tags))),
        ]
    return Page(etag, headers, {"identity": body}, tuple(sorted(tags)))


def unfreeze(entry: Entry) -> Page:
    """Turn a stored entry back into a page."""
    headers = [tuple(pair) for pair in entry.head["headers"]]
    return Page(entry.head["etag"], headers, {"identity": entry.body}, entry.tags)
