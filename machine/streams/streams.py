"""The event streams of one process: one thread feeds them all, and ends those whose session or key has ended.

A stream is a queue of frames. They are sent by a thread of the API that waits for the next (`Stream` iterates), or
by an event loop that holds thousands (`machine/streams/asgi.py`). Before anything goes into the queue, the session or
key is checked.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from bson import ObjectId
from pymongo.errors import PyMongoError

from clients import clock
from clients.metrics import STREAMS_ENDED, STREAMS_OPEN
from machine.access.caller import Caller
from machine.access.claims import grant_of
from machine.access.limiter import network_of
from machine.http.problem import Problem
from machine.streams.bell import Bell
from machine.streams.sse import RETRY_MS, Places, Position, write_end

log = structlog.get_logger(__name__)
# The variable of the WSGI environment that holds the stream of a request.
STREAM = "marquee.stream"
# A stream ends after this; the client comes back with its token checked anew and misses nothing.
STREAM_SECONDS = 55.0
# Seconds until a stream learns, at the latest, that its session or key has ended: one look for all streams.
CHECK_SECONDS = 1.0
BEAT_SECONDS = 10.0
# Readers whose bell did not ring are found by one query for all: rarely while Redis works, often while it is away.
LOOK_SECONDS, DEAF_LOOK_SECONDS = 10.0, 1.0
# By how many seconds the clock of a process that writes may differ from ours.
CLOCKS = timedelta(seconds=30)
TICK_SECONDS = 0.2
# Seconds that the thread stays without a stream before it ends; the next stream starts another.
IDLE_SECONDS = 30.0
# When to come again, in milliseconds from and to: not all at once, and when an instance that drains has gone.
AGAIN_MS = {
    "access_ended": (RETRY_MS, RETRY_MS),
    "too_many": (20_000, 40_000),
    "unavailable": (6_000, 12_000),
}


class Feed(Protocol):
    """What streams are fed from."""

    def channel(self, user: ObjectId) -> str:
        """Name the channel of Redis that says when to look for somebody."""

    def after(self, app: Any, user: ObjectId, position: Position) -> list[tuple[Position, bytes]]:
        """Return what is new after a position, oldest first, at most a page: each with its position."""

    def with_news(self, app: Any, users: Collection[ObjectId], since: datetime) -> set[ObjectId]:
        """Return those of the users for whom there may be something since."""


class Stream:
    """One client's events: frames wait in it until they are sent."""

    def __init__(self, streams: "Streams", caller: Caller, network: str, feed: Feed, position: Position):
        self.streams, self.caller, self.feed, self.position = streams, caller, feed, position
        self.network = network
        self.grant = grant_of(caller.id, caller.session, caller.key)
        self.account = self.grant.user
        self.channel = feed.channel(self.account)
        began = time.monotonic()
        self.ends_at = began + min(STREAM_SECONDS, max(0.0, caller.until - time.time()))
        self.beats_at = began + BEAT_SECONDS
        # There may be more than the bell tells: at first, and after a full page.
        self.behind = True
        self.ended = False
        self.frames: deque[bytes] = deque([f"retry: {RETRY_MS}\n: {caller.username}\n\n".encode()])
        # Called when there are frames to send.
        self.wake: Callable[[], None] = lambda: None

    def put(self, frame: bytes) -> None:
        """Let a frame be sent."""
        self.frames.append(frame)
        self.wake()

    def end(self, reason: str | None) -> None:
        """Let nothing more be sent, but why it ends before its time, if so."""
        if reason:
            self.frames.append(write_end(reason, choose_pause(reason)))
        self.ended = True
        STREAMS_ENDED.labels(reason or "time").inc()
        self.wake()

    def take(self) -> list[bytes]:
        """Return the frames that wait."""
        taken = []
        while self.frames:
            taken.append(self.frames.popleft())
        return taken

    def __iter__(self) -> Iterator[bytes]:
        """Yield frames as they come, in a thread that waits for them."""
        woken = threading.Event()
        self.wake = woken.set
        while True:
            woken.clear()
            # In this order: what is put before the end is seen before it.
            ended = self.ended
            yield from self.take()
            if ended:
                return
            woken.wait()

    def close(self) -> None:
        """Give the place back; the client has gone or been sent away."""
        self.streams.leave(self)


class Streams:
    """Gives places, and feeds who has one."""

    def __init__(self, app: Any, most: int) -> None:
        self.app = app
        self.places: Places[Stream] = Places(most)
        self.changed = threading.Condition()
        self.thread: threading.Thread | None = None
        self.checks_at = self.looks_at = 0.0
        self.looked_at = clock.now()

    def open(self, caller: Caller, address: str, feed: Feed, position: Position) -> Stream:
        """Begin a stream; where no place is free, the account or network that holds most loses one."""
        if self.app.extensions["health"].draining:
            raise Problem(503, "unavailable", headers={"Retry-After": "2"})
        stream = Stream(self, caller, network_of(address), feed, position)
        with self.changed:
            lost = self.places.take(stream)
            STREAMS_OPEN.set(len(self.places.taken))
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="streams", daemon=True)
                self.thread.start()
            self.changed.notify()
        for other in lost:
            other.end("too_many")
        return stream

    def leave(self, stream: Stream) -> None:
        """Free the place of a stream; again changes nothing."""
        with self.changed:
            self.places.give_back(stream)
            STREAMS_OPEN.set(len(self.places.taken))

    def end(self, stream: Stream, reason: str | None = None) -> None:
        """End a stream, unless it has lost its place already."""
        with self.changed:
            if stream not in self.places.taken:
                return
            self.places.give_back(stream)
            STREAMS_OPEN.set(len(self.places.taken))
        stream.end(reason)

    def run(self) -> None:
        """Feed the streams until there have been none for a while."""
        bell = Bell(self.app.services)
        try:
            while self.wait_for_some():
                try:
                    self.step(bell)
                except Exception:
                    log.exception("streams_step_failed")
                    self.end_all("unavailable")
        finally:
            bell.close()

    def wait_for_some(self) -> bool:
        """Wait for a stream; False when the thread is to end."""
        with self.changed:
            if self.places.taken or self.changed.wait_for(lambda: self.places.taken, IDLE_SECONDS):
                return True
            self.thread = None
            return False

    def step(self, bell: Bell) -> None:
        """Wait a moment for news, then do what is due for each stream."""
        streams = self.present()
        rung = bell.wait(
            {stream.channel: stream.account for stream in streams},
            0.0 if any(one.behind for one in streams) else TICK_SECONDS,
        )
        now = time.monotonic()
        asked = [one for one in streams if one.behind or one.account in rung]
        if now >= self.checks_at:
            self.checks_at, asked = now + CHECK_SECONDS, streams
            if self.app.extensions["health"].draining:
                return self.end_all("unavailable")
        try:
            allowed = self.allowed(asked)
            if now >= self.looks_at and len(asked) == len(streams):
                self.looks_at = now + (DEAF_LOOK_SECONDS if bell.deaf else LOOK_SECONDS)
                rung |= self.look(allowed)
            for stream in allowed:
                if stream.behind or stream.account in rung:
                    self.feed(stream)
        except PyMongoError as error:
            # Whether they may go on cannot be known: they end, and say when to come again.
            log.warning("streams_unchecked", error=type(error).__name__)
            return self.end_all("unavailable")
        self.pass_time(streams, now)

    def present(self) -> list[Stream]:
        """Return the streams that have a place."""
        with self.changed:
            return list(self.places.taken)

    def allowed(self, streams: list[Stream]) -> list[Stream]:
        """End those whose session, key, account or role is no longer what they were begun with; return the others."""
        states = self.app.services.good_grants({one.grant for one in streams})
        allowed = []
        for stream in streams:
            state = states.get(stream.grant)
            if state is not None and state.active and state.role == stream.caller.role:
                allowed.append(stream)
            else:
                self.end(stream, "access_ended")
        return allowed

    def look(self, streams: list[Stream]) -> set[ObjectId]:
        """Return those for whom something may have come without a bell since the last look."""
        since, self.looked_at = self.looked_at - CLOCKS, clock.now()
        found: set[ObjectId] = set()
        for feed in {one.feed for one in streams}:
            found |= feed.with_news(self.app, {one.account for one in streams if one.feed is feed}, since)
        return found

    def feed(self, stream: Stream) -> None:
        """Put what is new into a stream, at most a page."""
        new = stream.feed.after(self.app, stream.account, stream.position)
        for position, frame in new:
            stream.position = position
            stream.put(frame)
        stream.behind = bool(new)

    def pass_time(self, streams: list[Stream], now: float) -> None:
        """End those whose time is over; let the others be heard of by what stands between."""
        for stream in streams:
            if now >= stream.ends_at:
                self.end(stream)
            elif now >= stream.beats_at:
                stream.beats_at = now + BEAT_SECONDS
                stream.put(b": still here\n\n")

    def end_all(self, reason: str) -> None:
        """End every stream."""
        for stream in self.present():
            self.end(stream, reason)


def choose_pause(reason: str) -> int:
    """Return when to come again, in milliseconds."""
    least, most = AGAIN_MS[reason]
    return least + secrets.randbelow(most - least + 1)
