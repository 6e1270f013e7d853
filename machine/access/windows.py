"""Moving windows: when each recent request came and from whom, in Redis for all processes, or in this one alone.

An entry is marked with who made it, so that whoever was right gets back what they spent themselves, and nothing else.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from redis import Redis

PREFIX = "limit:"
# At most this many windows are kept in a process without Redis; then those untouched for longest go.
KEPT = 50_000

# KEYS: the window. ARGV: its length in ms, the quota, the mark of this entry. Returns {allowed, left, ms to a place}.
HIT = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local length, quota = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - length)
local used, allowed = redis.call('ZCARD', KEYS[1]), 0
if used < quota then
  redis.call('ZADD', KEYS[1], now, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], length)
  used, allowed = used + 1, 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {allowed, math.max(0, quota - used), oldest[2] + length - now}
"""
# KEYS: the window. ARGV: how the marks begin that are forgotten.
FORGET = """
for _, mark in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(mark, 1, #ARGV[1]) == ARGV[1] then redis.call('ZREM', KEYS[1], mark) end
end
"""


@dataclass(frozen=True)
class Place:
    """What became of one request: whether it got a place, how many are left, and seconds until one gets free."""

    allowed: bool
    left: int
    reset_seconds: float


class Windows(Protocol):
    """Counts in moving windows."""

    def hit(self, name: str, quota: int, seconds: int, mark: str) -> Place:
        """Take a place if there is one. A request that got none is not counted."""

    def forget(self, name: str, begin: str) -> None:
        """Give back the places whose marks begin like this."""


class SharedWindows:
    """Windows in Redis; its clock counts. Raises redis.RedisError where Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self.hit_script: Any = redis.register_script(HIT)
        self.forget_script: Any = redis.register_script(FORGET)

    def hit(self, name: str, quota: int, seconds: int, mark: str) -> Place:
        """Take a place if there is one, in one step."""
        allowed, left, reset = self.hit_script(keys=[PREFIX + name], args=[seconds * 1000, quota, mark])
        return Place(bool(allowed), left, reset / 1000)

    def forget(self, name: str, begin: str) -> None:
        """Give back the places whose marks begin like this."""
        self.forget_script(keys=[PREFIX + name], args=[begin])


class LocalWindows:
    """Windows in this process."""

    def __init__(self) -> None:
        self.windows: dict[str, deque[tuple[float, str]]] = {}
        self.lock = threading.Lock()

    def hit(self, name: str, quota: int, seconds: int, mark: str) -> Place:
        """Take a place if there is one."""
        now = time.monotonic()
        with self.lock:
            # Taken out and put back, so that the dict is in the order of use.
            window = self.windows.pop(name, None) or deque()
            self.windows[name] = window
            while len(self.windows) > KEPT:
                del self.windows[next(iter(self.windows))]
            while window and window[0][0] <= now - seconds:
                window.popleft()
            allowed = len(window) < quota
            if allowed:
                window.append((now, mark))
            return Place(allowed, max(0, quota - len(window)), window[0][0] + seconds - now)

    def forget(self, name: str, begin: str) -> None:
        """Give back the places whose marks begin like this."""
        with self.lock:
            window = self.windows.get(name, ())
            kept = deque(entry for entry in window if not entry[1].startswith(begin))
            if name in self.windows:
                self.windows[name] = kept
