"""Finished answers: in this process's memory for a moment, in Redis as long as their tags stand, else made, once.

An answer is at most 250 ms behind the last write: memory is that young, and what Redis holds is current by its tags.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from clients.metrics import CACHE_EVENTS
from machine.edge.cache import EVERYTHING, Entry, Generations, TaggedCache
from machine.edge.compress import ENCODINGS
from machine.edge.tags import touched
from machine.read.answer import Answer, Headers, build_answer

# No reader sees anything older than this many seconds after a write.
STALENESS = 0.25
RENEWAL = 0.05
MEMORY_ENTRIES = 2048
LARGEST_IN_MEMORY = 256 * 1024
# How long one process may take to compute what others wait for, in seconds.
COMPUTING = 2.0
OUTCOMES = ("memory", "redis", "stale", "waited", "computed", "bypassed")
COUNT = {name: CACHE_EVENTS.labels(name) for name in OUTCOMES}


@dataclass(slots=True)
class Sharing:
    """How the answer of a URL is shared: for so many `seconds` by all processes; 0: not at all.

    `route` is the template of the URL, under which it is counted. `resources` are all that it may be built from.
    """

    route: str
    seconds: float = 0
    resources: tuple[str, ...] = ()


@dataclass(slots=True)
class Finished:
    """An answer ready to send in every encoding, with how it is shared and what it was built from."""

    answer: Answer
    sharing: Sharing
    tags: tuple[str, ...] = ()
    until: float = 0.0
    # From this moment on one reader asks Redis again, while the others still get this answer.
    renew: float = 0.0
    packed: dict[str, bytes] = field(default_factory=dict)
    ready: dict[str, Headers] = field(default_factory=dict)

    def headers_of(self, encoding: str) -> Headers:
        """Return the headers of one encoding, but for those of the request; made once."""
        known = self.ready.get(encoding)
        if known is None:
            etag = self.answer.etag
            # Another encoding is another sequence of bytes: its validator is a weak one (RFC 9110 section 8.8.3).
            weak = etag if encoding == "identity" else f"W/{etag}"
            known = self.ready[encoding] = [("ETag", weak), *self.answer.headers]
        return known

    def body_of(self, encoding: str) -> bytes:
        """Return the body in one encoding; packed once."""
        if encoding == "identity":
            return self.answer.body
        body = self.packed.get(encoding)
        if body is None:
            body = self.packed[encoding] = ENCODINGS[encoding](self.answer.body)
        return body


@dataclass(slots=True)
class Turn:
    """Somebody's turn to make an answer. `finished`: another has made it meanwhile, and there is nothing to do.

    Else whoever has the turn makes it, notes in `tags` what it is built from (None: it is kept nowhere), and gives it
    to `finish`. How things stood before that: `since` is how often this process had made something stale, `early` are
    the tags that are known beforehand, `then` their generations.
    """

    finished_answers: "FinishedAnswers"
    key: str
    sharing: Sharing
    finished: Finished | None = None
    tags: set[str] | None = None
    since: int = 0
    early: tuple[str, ...] = ()
    then: Generations | None = None

    def finish(self, body: bytes, stored_etag: str = "") -> Finished:
        """Return the answer of this body, and keep it unless a write has overtaken it."""
        tags, seconds = self.tags or set(), self.sharing.seconds
        answer = build_answer(body, stored_etag, private=False, shared_seconds=seconds, tags=tags)
        finished = Finished(answer, self.sharing, tuple(sorted(tags)))
        if self.then is not None:
            self.finished_answers.store(self.key, finished, self.early, self.then, seconds)
        return self.finished_answers.keep(self.key, finished, self.since)


class FinishedAnswers:
    """The answers of one process. `keeps`: whether it keeps any in its memory.

    Who wants one asks `remembered`, then `current`, and at last waits for a `turn` to make it.
    """

    def __init__(self, cache: TaggedCache, keeps: bool) -> None:
        self.cache = cache
        self.keeps = keeps
        self.memory: OrderedDict[str, Finished] = OrderedDict()
        self.keys_of: dict[str, set[str]] = {}
        # How often this process has made something stale.
        self.bumps = 0
        self.cache.on_bump.append(self.forget)
        self.flights: dict[str, threading.Event] = {}
        self.lock = threading.Lock()

    def remembered(self, key: str) -> Finished | None:
        """Return an answer that this process keeps and that is young enough."""
        finished = self.memory.get(key)
        if finished is None or finished.until <= (now := time.monotonic()):
            return None
        if finished.renew <= now:
            # One reader asks anew a little early, so that not all of them do so together at the end.
            finished.renew = finished.until
            return None
        COUNT["memory"].inc()
        return finished

    def current(self, key: str, sharing: Sharing) -> tuple[Finished | None, Entry | None]:
        """Return the answer that Redis holds if nothing has overtaken it, and what Redis holds in any case."""
        if not sharing.seconds:
            return None, None
        since, entry = self.bumps, self.cache.get(key)
        if entry is None or not entry.fresh:
            return None, entry
        COUNT["redis"].inc()
        return self.keep(key, unfreeze(entry, sharing), since), entry

    @contextmanager
    def turn(self, key: str, sharing: Sharing, held: Entry | None) -> Iterator[Turn]:
        """Let one thread of one process make an answer, while others wait for it. `held`: what Redis holds of it."""
        if not sharing.seconds:
            yield self.begin(key, sharing)
            return
        # The date is that of whoever wrote, by a clock that may be ahead of ours.
        stale = held if held is not None and abs(time.time() - held.stale_since) < STALENESS else None
        with self.lock:
            flight = self.flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self.flights[key] = threading.Event()
        if not leads:
            finished = self.wait(key, sharing, flight, stale)
            yield Turn(self, key, sharing, finished) if finished else self.begin(key, sharing)
            return
        finished, ours = None, True
        try:
            if self.cache.available and not self.cache.try_lock(key, COMPUTING):
                finished = self.await_others(key, sharing, stale)
                ours = finished is None
            if finished is None:
                # Somebody may have made it between our look and our turn.
                finished, _ = self.current(key, sharing)
            yield Turn(self, key, sharing, finished) if finished else self.begin(key, sharing)
        finally:
            if ours and self.cache.available:
                self.cache.unlock(key)
            del self.flights[key]
            flight.set()

    def begin(self, key: str, sharing: Sharing) -> Turn:
        """Note how things stand before an answer is made, so that what a write overtakes is not kept."""
        COUNT["computed"].inc()
        since, seconds = self.bumps, sharing.seconds
        # An answer that is not cached needs no tags.
        tags = {EVERYTHING} if seconds or self.keeps else None
        early = (EVERYTHING, *map(touched, sharing.resources)) if seconds else ()
        then = self.cache.generations(early) if seconds else None
        return Turn(self, key, sharing, None, tags, since, early, then)

    def wait(
        self, key: str, sharing: Sharing, flight: threading.Event, stale: Entry | None
    ) -> Finished | None:
        """Let another thread compute; meanwhile an answer that is hardly stale will do."""
        if stale is not None:
            COUNT["stale"].inc()
            return unfreeze(stale, sharing)
        COUNT["waited"].inc()
        flight.wait(COMPUTING)
        finished = self.memory.get(key)
        if finished is not None and finished.until > time.monotonic():
            return finished
        return self.current(key, sharing)[0]

    def await_others(self, key: str, sharing: Sharing, stale: Entry | None) -> Finished | None:
        """Let another process compute; None when it is our turn, since it has ended without what we may send."""
        if stale is not None:
            COUNT["stale"].inc()
            return unfreeze(stale, sharing)
        COUNT["waited"].inc()
        deadline, pause = time.monotonic() + COMPUTING, 0.002
        while time.monotonic() < deadline and self.cache.available:
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
            finished, _ = self.current(key, sharing)
            if finished is not None:
                return finished
            # It was overtaken by a write while it computed, so nothing was kept; or it is gone.
            if self.cache.try_lock(key, COMPUTING):
                return None
        return None

    def store(
        self, key: str, finished: Finished, early: tuple[str, ...], then: Generations, seconds: float
    ) -> None:
        """Store an answer unless something it was built from changed while it was computed."""
        now = self.cache.generations((*early, *finished.tags))
        if now is None or now[: len(early)] != then:
            return
        answer = finished.answer
        entry = Entry({"etag": answer.etag, "headers": answer.headers}, answer.body, finished.tags)
        self.cache.put(key, entry, now[len(early) :], seconds)

    def keep(self, key: str, finished: Finished, since: int) -> Finished:
        """Keep an answer in memory for a moment, unless this process has written something since it was begun."""
        if not self.keeps or len(finished.answer.body) > LARGEST_IN_MEMORY:
            return finished
        finished.until = time.monotonic() + STALENESS
        finished.renew = finished.until - RENEWAL
        with self.lock:
            if self.bumps != since:
                return finished
            self.memory[key] = finished
            self.memory.move_to_end(key)
            for tag in finished.tags:
                self.keys_of.setdefault(tag, set()).add(key)
            while len(self.memory) > MEMORY_ENTRIES:
                self.drop(next(iter(self.memory)))
        return finished

    def drop(self, key: str) -> None:
        """Forget an answer. The caller holds the lock."""
        finished = self.memory.pop(key, None)
        for tag in finished.tags if finished else ():
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


def unfreeze(entry: Entry, sharing: Sharing) -> Finished:
    """Turn a stored entry back into an answer."""
    headers: list[Any] = [tuple(pair) for pair in entry.head["headers"]]
    return Finished(Answer(entry.head["etag"], headers, entry.body), sharing, entry.tags)
