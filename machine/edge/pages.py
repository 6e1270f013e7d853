"""Finished pages: in this process's memory for a moment, in Redis as long as their tags stand, else made, once.

A page is at most 250 ms behind the last write: memory is that young, and what Redis holds is current by its tags.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from clients.metrics import CACHE_EVENTS
from machine.edge.cache import EVERYTHING, Entry, TaggedCache
from machine.edge.compress import ENCODINGS
from machine.edge.tags import touched
from machine.eve.render import digest

# No reader sees anything older than this many seconds after a write.
STALENESS = 0.25
RENEWAL = 0.05
MEMORY_ENTRIES = 2048
LARGEST_IN_MEMORY = 256 * 1024
# How long one process may take to compute what others wait for, in seconds.
COMPUTING = 2.0
LONGEST_KEY = 2048
OUTCOMES = ("memory", "redis", "stale", "waited", "computed", "bypassed")
# What every page says of itself.
COMMON = [("Vary", "Authorization, Accept-Encoding"), ("X-Content-Type-Options", "nosniff")]
COUNT = {name: CACHE_EVENTS.labels(name) for name in OUTCOMES}


@dataclass(slots=True)
class Page:
    """An answer ready to send: its headers but for the request's own, and its body per encoding."""

    etag: str
    headers: list[tuple[str, str]]
    bodies: dict[str, bytes]
    tags: tuple[str, ...]
    route: str = ""
    until: float = 0.0
    # From this moment on one reader asks Redis again, while the others still get this page.
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
class Recipe:
    """How a page is made.

    `route` is the template it is counted under. All processes share it for `seconds`; 0: it is not shared. `resources`
    are all that it may be built from. `make` gets the set that it notes its tags in, and returns the body and the
    stored ETag, or None where there is no page.
    """

    route: str
    seconds: float
    resources: tuple[str, ...]
    make: Callable[[set[str] | None], tuple[bytes, str] | None]


class Pages:
    """The pages of one process. `keeps`: whether it keeps any in its memory."""

    def __init__(self, cache: TaggedCache, keeps: bool) -> None:
        self.cache = cache
        self.keeps = keeps
        self.memory: OrderedDict[str, Page] = OrderedDict()
        self.keys_of: dict[str, set[str]] = {}
        # How often this process has made something stale.
        self.bumps = 0
        self.cache.on_bump.append(self.forget)
        self.flights: dict[str, threading.Event] = {}
        self.lock = threading.Lock()

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

    def find(self, key: str, recipe: Recipe) -> Page | None:
        """Return a page: from Redis, or made; None where there is none."""
        if len(key) > LONGEST_KEY:
            return None
        return self.shared(key, recipe) if recipe.seconds else self.compute(key, recipe)

    def shared(self, key: str, recipe: Recipe) -> Page | None:
        """Return what all processes share, computing it once where it is missing or overtaken."""
        page, entry = self.current(key, recipe)
        if page is not None:
            return page
        # The date is that of whoever wrote, by a clock that may be ahead of ours.
        stale = entry if entry is not None and abs(time.time() - entry.stale_since) < STALENESS else None
        with self.lock:
            flight = self.flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self.flights[key] = threading.Event()
        if not leads:
            return self.wait(key, recipe, flight, stale)
        try:
            if self.cache.available and not self.cache.try_lock(key, COMPUTING):
                page = self.await_others(key, recipe, stale)
                if page is not None:
                    return page
            return self.make_once(key, recipe)
        finally:
            del self.flights[key]
            flight.set()

    def make_once(self, key: str, recipe: Recipe) -> Page | None:
        """Make a page, unless somebody has made it between our look and our turn."""
        page = self.current(key, recipe)[0] or self.compute(key, recipe)
        if self.cache.available:
            self.cache.unlock(key)
        return page

    def wait(self, key: str, recipe: Recipe, flight: threading.Event, stale: Entry | None) -> Page | None:
        """Let another thread compute; meanwhile an answer that is hardly stale will do."""
        if stale is not None:
            COUNT["stale"].inc()
            return unfreeze(stale, recipe)
        COUNT["waited"].inc()
        flight.wait(COMPUTING)
        page = self.memory.get(key)
        if page is not None and page.until > time.monotonic():
            return page
        return self.current(key, recipe)[0] or self.compute(key, recipe)

    def await_others(self, key: str, recipe: Recipe, stale: Entry | None) -> Page | None:
        """Let another process compute; None when it is our turn, since it has ended without what we may send."""
        if stale is not None:
            COUNT["stale"].inc()
            return unfreeze(stale, recipe)
        COUNT["waited"].inc()
        deadline, pause = time.monotonic() + COMPUTING, 0.002
        while time.monotonic() < deadline and self.cache.available:
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
            page, _ = self.current(key, recipe)
            if page is not None:
                return page
            # It was overtaken by a write while it computed, so nothing was kept; or it is gone.
            if self.cache.try_lock(key, COMPUTING):
                return None
        return None

    def current(self, key: str, recipe: Recipe) -> tuple[Page | None, Entry | None]:
        """Return the page that Redis holds if nothing has overtaken it, and what Redis holds in any case."""
        since, entry = self.bumps, self.cache.get(key)
        if entry is None or not entry.fresh:
            return None, entry
        COUNT["redis"].inc()
        return self.keep(key, unfreeze(entry, recipe), since), entry

    def compute(self, key: str, recipe: Recipe) -> Page | None:
        """Make a page, and store it under the generations that stood before."""
        COUNT["computed"].inc()
        since, seconds = self.bumps, recipe.seconds
        # A page that is not cached needs no tags.
        tags = {EVERYTHING} if seconds or self.keeps else None
        early = (EVERYTHING, *map(touched, recipe.resources)) if seconds else ()
        then = self.cache.generations(early) if seconds else None
        made = recipe.make(tags)
        if made is None:
            return None
        page = make_page(*made, tags or set(), recipe)
        if then is not None:
            self.store(key, page, early, then, seconds)
        return self.keep(key, page, since)

    def store(
        self, key: str, page: Page, early: tuple[str, ...], then: list[bytes | None], seconds: float
    ) -> None:
        """Store a page unless something it was built from changed while it was computed."""
        now = self.cache.generations((*early, *page.tags))
        if now is None or now[: len(early)] != then:
            return
        entry = Entry({"etag": page.etag, "headers": page.headers}, page.bodies["identity"], page.tags)
        self.cache.put(key, entry, now[len(early) :], seconds)

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
        """Forget at once what this process itself has just made stale: whoever writes here finds their write here."""
        with self.lock:
            self.bumps += 1
            for tag in tags:
                for key in list(self.keys_of.get(tag, ())):
                    self.drop(key)


def validator(body: bytes, stored_etag: str) -> str:
    """Return the ETag of a body, with the stored one before it where it is an item's."""
    return f'"{stored_etag}.{digest(body)}"' if stored_etag else f'"{digest(body)}"'


def private_page(body: bytes, stored_etag: str, route: str) -> Page:
    """Build a page for one caller alone: no cache may give it to another."""
    headers = [("Cache-Control", "private, no-cache"), *COMMON]
    return Page(validator(body, stored_etag), headers, {"identity": body}, (), route)


def make_page(body: bytes, stored_etag: str, tags: set[str], recipe: Recipe) -> Page:
    """Build a page with its validator and what a cache in front of us may do with it."""
    headers = [("Cache-Control", "public, no-cache"), *COMMON]
    if recipe.seconds:
        headers += [
            ("Surrogate-Control", f"max-age={int(recipe.seconds)}"),
            ("Surrogate-Key", " ".join(sorted(tags))),
        ]
    return Page(validator(body, stored_etag), headers, {"identity": body}, tuple(sorted(tags)), recipe.route)


def unfreeze(entry: Entry, recipe: Recipe) -> Page:
    """Turn a stored entry back into a page."""
    headers: list[Any] = [tuple(pair) for pair in entry.head["headers"]]
    return Page(entry.head["etag"], headers, {"identity": entry.body}, entry.tags, recipe.route)
