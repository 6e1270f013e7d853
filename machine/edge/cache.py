"""The tagged cache in Redis: an entry counts only while the generations of its tags are those it was built under.

A write gives its tags new generations in one round trip; nothing is searched for or deleted. The generations are
read before the answer is computed, so an answer that was overtaken by a write is stored under old ones and never
served. A generation is `<milliseconds>.<random>`: random, so that none ever returns; dated, so that a reader knows
for how long an entry has been stale.
"""

import secrets
import struct
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from flask_caching.backends.base import BaseCache
from redis.exceptions import RedisError

from clients.breaker import Breaker
from clients.owed import Owed
from clients.roundtrip import Roundtrip

if TYPE_CHECKING:
    from machine.connected import Connected

# Generations outlive every entry, so that an entry never meets a generation that was forgotten.
LONGEST_ENTRY = 300
GENERATION_SECONDS = 2 * LONGEST_ENTRY
BREAK_SECONDS = 5.0
# Bumps owed while Redis is away; beyond this many everything is bumped instead.
MOST_OWED = 10_000
# Every entry carries this tag.
EVERYTHING = "*"
REMEMBERED_KEYS = 4_096
STAMP_BYTES = 8

Generations = list[bytes | None]


@dataclass(slots=True)
class Entry:
    """A stored answer. `fresh` False: some tag was bumped since, at the latest `stale_since` (Unix seconds)."""

    head: dict[str, Any]
    body: bytes
    tags: tuple[str, ...] = ()
    fresh: bool = True
    stale_since: float = 0.0


@dataclass(slots=True)
class Known:
    """What a process remembers of a key: how to ask for it, and what the version with this stamp says of itself."""

    command: list[bytes]
    tags: tuple[str, ...]
    stamp: bytes
    head: dict[str, Any]
    then: Generations


class TaggedCache:
    """The cache of one process on the Redis of all."""

    def __init__(self, services: "Connected") -> None:
        self.services = services
        self.breaker = Breaker(failures=1, pause_seconds=BREAK_SECONDS, part="cache")
        self.roundtrip = Roundtrip(services)
        self.known: OrderedDict[str, Known] = OrderedDict()
        self.owed: Owed[str, None] = Owed(MOST_OWED, instead={EVERYTHING: None})
        # Called with the tags of each bump of this process, before Redis is.
        self.on_bump: list[Callable[[set[str]], None]] = []

    @property
    def available(self) -> bool:
        """Tell whether Redis is asked at all now."""
        return not self.breaker.wait_seconds

    def get(self, key: str) -> Entry | None:
        """Return an entry, fresh or stale, None when there is none or Redis is away. One round trip when known."""
        if not self.available:
            return None
        known = self.known.get(key)
        try:
            raw, *now = self.roundtrip.ask(known.command if known else self.command(key, ()))
            if raw is None:
                return None
            stamp, body = split(raw)
            if known is None or stamp != known.stamp:
                tags = known.tags if known else ()
                head, then, known_tags = read_head(raw)
                known = self.remember(
                    key, Known(self.command(key, known_tags), known_tags, stamp, head, then)
                )
                if known.tags != tags:
                    now = self.fetch([*map(generation_key, known.tags)])
        except RedisError:
            self.breaker.failed()
            return None
        entry, then = Entry(known.head, body, known.tags), known.then
        if now != then:
            entry.fresh = False
            entry.stale_since = max(bumped_at(a) for a, b in zip(now, then, strict=True) if a != b)
        return entry

    def command(self, key: str, tags: tuple[str, ...]) -> list[bytes]:
        """Return the command that reads an entry and the generations of its tags."""
        return self.roundtrip.pack("MGET", f"entry:{key}", *map(generation_key, tags))

    def fetch(self, keys: list[str]) -> Generations:
        """Read several keys in one round trip."""
        return list(self.roundtrip.ask(self.roundtrip.pack("MGET", *keys)))

    def generations(self, tags: Sequence[str]) -> Generations | None:
        """Return the generations of these tags, None when Redis is away."""
        if not self.available:
            return None
        try:
            self.settle()
            return self.fetch([*map(generation_key, tags)])
        except RedisError:
            self.breaker.failed()
            return None

    def put(self, key: str, entry: Entry, then: Generations, seconds: float) -> None:
        """Store an entry under the generations that were read before it was computed."""
        stamp = secrets.token_bytes(STAMP_BYTES)
        self.remember(key, Known(self.command(key, entry.tags), entry.tags, stamp, entry.head, then))
        alive = int(min(seconds, LONGEST_ENTRY) * 1000)
        try:
            self.services.redis.set(f"entry:{key}", pack(stamp, entry, then), px=alive)
        except RedisError:
            self.breaker.failed()

    def bump(self, tags: Iterable[str]) -> None:
        """Give tags new generations: every entry built from them is stale from now on."""
        tags = set(tags)
        self.owed.owe(dict.fromkeys(tags))
        for listener in self.on_bump:
            listener(tags)
        if not self.available:
            return
        try:
            self.settle()
        except RedisError:
            self.breaker.failed()

    def settle(self) -> None:
        """Send the bumps that are owed; they stay owed while Redis is away."""
        lot = self.owed.due()
        if not lot:
            return
        generation = f"{int(time.time() * 1000)}.{secrets.token_hex(6)}"
        pipe = self.services.redis.pipeline(transaction=False)
        for tag in lot:
            pipe.set(generation_key(tag), generation, ex=GENERATION_SECONDS)
        pipe.execute()
        self.owed.paid(lot)

    def remember(self, key: str, known: Known) -> Known:
        """Remember a key, so that the next look-up needs one round trip and parses nothing."""
        self.known[key] = known
        while len(self.known) > REMEMBERED_KEYS:
            self.known.popitem(last=False)
        return known

    def try_lock(self, key: str, seconds: float) -> bool:
        """Become the one process that computes a key; True as well when Redis cannot say."""
        try:
            return bool(self.services.redis.set(f"computing:{key}", b"1", nx=True, px=int(seconds * 1000)))
        except RedisError:
            self.breaker.failed()
            return True

    def unlock(self, key: str) -> None:
        """Let others compute the key again."""
        try:
            self.services.redis.delete(f"computing:{key}")
        except RedisError:
            self.breaker.failed()


def generation_key(tag: str) -> str:
    """Return the Redis key of a tag's generation."""
    return f"tag:{tag}"


def bumped_at(generation: bytes | None) -> float:
    """Return when a generation was made, in Unix seconds; long ago for one that is gone."""
    return int(generation.split(b".")[0]) / 1000 if generation else 0.0


def pack(stamp: bytes, entry: Entry, then: Generations) -> bytes:
    """Return an entry as bytes: its stamp, the length of its head, the head as JSON, the body as it is sent."""
    generations = [one.decode() if one else None for one in then]
    head = orjson.dumps({"head": entry.head, "tags": entry.tags, "then": generations})
    return stamp + struct.pack(">I", len(head)) + head + entry.body


def split(raw: bytes) -> tuple[bytes, bytes]:
    """Return the stamp and the body of a packed entry."""
    (length,) = struct.unpack_from(">I", raw, STAMP_BYTES)
    return raw[:STAMP_BYTES], raw[STAMP_BYTES + 4 + length :]


def read_head(raw: bytes) -> tuple[dict[str, Any], Generations, tuple[str, ...]]:
    """Return the head of a packed entry, the generations of its tags back then, and its tags."""
    (length,) = struct.unpack_from(">I", raw, STAMP_BYTES)
    told = orjson.loads(raw[STAMP_BYTES + 4 : STAMP_BYTES + 4 + length])
    then: Generations = [one.encode() if one else None for one in told["then"]]
    return told["head"], then, tuple(told["tags"])


class FlaskBackend(BaseCache):
    """Flask-Caching on the same Redis, for what the application itself remembers. Values are what JSON can hold.

    Flask-Caching's own Redis backend raises when Redis is away; a cache must not.
    """

    def __init__(self, services: "Connected", default_timeout: int = 60) -> None:
        super().__init__(default_timeout)
        self.cache = services.cache

    @classmethod
    def factory(
        cls, app: Any, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> "FlaskBackend":
        """Build the backend for an application that carries its services."""
        return cls(app.services, config["CACHE_DEFAULT_TIMEOUT"])

    def get(self, key: str) -> Any:
        """Return a value, None when it is not there."""
        entry = self.cache.get(f"value:{key}")
        return orjson.loads(entry.body) if entry is not None and entry.fresh else None

    def set(self, key: str, value: Any, timeout: Any = None, tags: tuple[str, ...] = ()) -> bool:
        """Keep a value; with `tags`, until one of them is bumped."""
        tags = (EVERYTHING, *tags)
        then = self.cache.generations(tags)
        if then is None:
            return False
        seconds = self.default_timeout if timeout is None else timeout
        self.cache.put(f"value:{key}", Entry({}, orjson.dumps(value), tags), then, seconds or LONGEST_ENTRY)
        return True

    def remember(self, key: str, tags: tuple[str, ...], seconds: float, make: Callable[[], Any]) -> Any:
        """Return the value of a key; make it where it is missing, and keep it until one of its tags is bumped.

        The generations are read before it is made, so what a write overtakes meanwhile is never served.
        """
        kept = self.get(key)
        if kept is not None:
            return kept
        tags = (EVERYTHING, *tags)
        then = self.cache.generations(tags)
        value = make()
        if then is not None:
            self.cache.put(f"value:{key}", Entry({}, orjson.dumps(value), tags), then, seconds)
        return value

    def delete(self, key: str) -> bool:
        """Forget a value."""
        try:
            return bool(self.cache.services.redis.delete(f"entry:value:{key}"))
        except RedisError:
            self.cache.breaker.failed()
            return False

    def has(self, key: str) -> bool:
        """Tell whether a value is there."""
        return self.get(key) is not None

    def clear(self) -> bool:
        """Forget everything that any process has cached."""
        self.cache.bump({EVERYTHING})
        return True
