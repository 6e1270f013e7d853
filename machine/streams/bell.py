"""Listens in Redis for a sign ("bell") that somebody may have something new; one connection for all streams."""

import time
from collections.abc import Mapping
from typing import Any

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)
# Without Redis it is asked again after this many seconds.
AGAIN_SECONDS = 5.0
# At most this many messages are taken before what they are about is read.
MOST_WORDS = 1000


class Bell:
    """A subscription that follows who is there. Only one thread may use it."""

    def __init__(self, services: Any) -> None:
        self.services = services
        self.pubsub: Any = None
        self.heard: set[str] = set()
        self.again_at = 0.0

    @property
    def deaf(self) -> bool:
        """Tell whether nothing can be heard now."""
        return self.pubsub is None

    def wait(self, channels: Mapping[str, Any], seconds: float) -> set[Any]:
        """Return the ids whose channels rang, waiting for the first at most that many seconds."""
        try:
            self.follow(set(channels))
            if self.pubsub is not None and self.heard:
                return self.listen(channels, seconds)
        except RedisError as error:
            log.warning("bell_lost", error=type(error).__name__)
            self.close()
            self.again_at = time.monotonic() + AGAIN_SECONDS
        time.sleep(seconds)
        return set()

    def follow(self, channels: set[str]) -> None:
        """Subscribe to what is new among the channels, and leave what is no longer."""
        if self.pubsub is None:
            if time.monotonic() < self.again_at:
                return
            self.pubsub = self.services.redis.pubsub()
        new, old = channels - self.heard, self.heard - channels
        if new:
            self.pubsub.subscribe(*new)
        if old:
            self.pubsub.unsubscribe(*old)
        self.heard = channels

    def listen(self, channels: Mapping[str, Any], seconds: float) -> set[Any]:
        """Return the ids whose channels rang."""
        rung: set[Any] = set()
        end = time.monotonic() + seconds
        for _ in range(MOST_WORDS):
            left = end - time.monotonic()
            word = self.pubsub.get_message(timeout=0.0 if rung else max(0.0, left))
            if word is not None and word["type"] == "message":
                rung.add(channels.get(word["channel"].decode()))
            elif word is None and (rung or left <= 0):
                break
        return rung - {None}

    def close(self) -> None:
        """Stop listening."""
        if self.pubsub is not None:
            self.pubsub.close()
        self.pubsub, self.heard = None, set()
