"""Count requests against one table of rates; per user, else per address, and on sign-in per account too.

Sign-in and everything like it is counted exactly, in a moving window in Redis. Ordinary reads and writes are
counted in a fixed window, in the process first and sent to Redis in small lots. Without Redis each process
counts for itself, and the exact classes get stricter: they are never open.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from math import ceil
from typing import TYPE_CHECKING

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from pymongo.errors import PyMongoError

import services.audit as audit
from services.breaker import Breaker
from services.metrics import LIMITER_FALLBACKS
from services.rates import ACCOUNT, ADDRESS, CALLER, MINUTE, RATES, UNLIMITED, Rate, Verdict, strict

if TYPE_CHECKING:
    from services.base import Connected

log = logging.getLogger(__name__)

# A process reports to Redis after this share of a quota, so that several processes overshoot by little.
LOTS = 50
BREAK_SECONDS = 5.0
DROP_SECONDS = 10.0


class Limiter:
    """The limiter of one process."""

    def __init__(self, services: "Connected") -> None:
        self.services = services
        self.breaker = Breaker(failures=1, pause_seconds=BREAK_SECONDS, part="limiter")
        self.local = MovingWindowRateLimiter(MemoryStorage())
        self.shared: MovingWindowRateLimiter | None = None
        self.windows: dict[str, Window] = {}
        self.next_drop = 0.0
        self.lock = threading.Lock()

    def hit(
        self, rate_class: str, caller_id: str | None, address: str, account: str | None = None
    ) -> Verdict:
        """Count one request and say whether it may pass. With `account`, only the rates per account count."""
        if not self.services.settings.rate_limits:
            return UNLIMITED
        declared = RATES[rate_class]
        verdicts = []
        for rate in declared.rates:
            if (rate.per == ACCOUNT) != (account is not None):
                continue
            who = identify(rate, caller_id, address, account)
            count = self.count_exactly if declared.exact else self.count_roughly
            verdicts.append(count(rate_class, rate, who))
        verdict = tightest(verdicts)
        if declared.exact and not verdict.allowed:
            self.report(rate_class, address, account)
        return verdict

    def forgive(self, rate_class: str, account: str) -> None:
        """Forget what was counted against an account: its owner has just proved who he is."""
        for rate in RATES[rate_class].rates:
            if rate.per == ACCOUNT:
                item, name = item_of(rate), (rate_class, identify(rate, None, "", account))
                self.local.clear(item_of(strict(rate)), *name)
                if not self.breaker.wait_seconds:
                    try:
                        self.redis_windows().clear(item, *name)
                    except StorageError:
                        self.breaker.failed()

    def count_exactly(self, rate_class: str, rate: Rate, who: str) -> Verdict:
        """Count in a moving window: in Redis, or without it in the process with a smaller quota."""
        if not self.breaker.wait_seconds:
            try:
                return count_in(self.redis_windows(), rate_class, rate, who)
            except StorageError:
                self.breaker.failed()
                log.warning("rate limits: Redis is away; this process counts for itself")
        LIMITER_FALLBACKS.labels("exact").inc()
        return count_in(self.local, rate_class, strict(rate), who)

    def count_roughly(self, rate_class: str, rate: Rate, who: str) -> Verdict:
        """Count in a fixed window, reporting to Redis once in a lot."""
        now = time.time()
        ends = (int(now) // rate.seconds + 1) * rate.seconds
        key = f"rate:{rate_class}:{who}:{ends}"
        lot = max(1, rate.quota // LOTS)
        with self.lock:
            window = self.windows.get(key)
            if window is None:
                self.drop_ended(now)
                window = self.windows[key] = Window(ends)
            window.unsent += 1
            amount = window.unsent if window.unsent >= lot or not window.others_known else 0
            window.unsent -= amount
            window.total += amount
        if amount and not self.breaker.wait_seconds:
            self.send(key, window, amount, rate.seconds)
        elif amount:
            LIMITER_FALLBACKS.labels("rough").inc(amount)
        used = window.total + window.unsent
        left, reset = max(0, rate.quota - used), ceil(ends - now)
        return Verdict(used <= rate.quota, rate_class, rate.quota, left, reset, rate.seconds)

    def send(self, key: str, window: "Window", amount: int, seconds: int) -> None:
        """Report a lot to Redis and learn what the other processes counted."""
        try:
            total = self.redis_windows().storage.incr(key, seconds, amount)
        except StorageError:
            self.breaker.failed()
            return
        with self.lock:
            window.total = max(window.total, total)
            window.others_known = True

    def drop_ended(self, now: float) -> None:
        """Forget windows that are over; the caller holds the lock."""
        if now >= self.next_drop:
            self.next_drop = now + DROP_SECONDS
            self.windows = {key: window for key, window in self.windows.items() if window.ends > now}

    def redis_windows(self) -> MovingWindowRateLimiter:
        """Return the limiter that counts in Redis, on the connections of this process."""
        if self.shared is None:
            storage = RedisStorage(
                "redis://",
                connection_pool=self.services.redis.connection_pool,
                key_prefix="limit",
                wrap_exceptions=True,
            )
            self.shared = MovingWindowRateLimiter(storage)
        return self.shared

    def report(self, rate_class: str, address: str, account: str | None) -> None:
        """Write a burst of refused attempts into the audit log, once per window and target."""
        rate = Rate(1, 5 * MINUTE)
        who = f"{ACCOUNT}:{account}" if account else f"{ADDRESS}:{address}"
        if not count_in(self.local, f"report:{rate_class}", rate, who).allowed:
            return
        detail = {"class": rate_class, "per": ACCOUNT if account else ADDRESS}
        try:
            audit.record(self.services.db, f"{rate_class}_burst", None, address=address, detail=detail)
        except PyMongoError:
            log.warning("a burst of %s attempts could not be written to the audit log", rate_class)


@dataclass
class Window:
    """What this process knows of one fixed window."""

    ends: int
    total: int = 0
    unsent: int = 0
    others_known: bool = False


def count_in(windows: MovingWindowRateLimiter, rate_class: str, rate: Rate, who: str) -> Verdict:
    """Count one request in a moving window."""
    item = item_of(rate)
    allowed = windows.hit(item, rate_class, who)
    stats = windows.get_window_stats(item, rate_class, who)
    reset = max(0, ceil(stats.reset_time - time.time()))
    return Verdict(allowed, rate_class, rate.quota, max(0, stats.remaining), reset, rate.seconds)


def tightest(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that matters: a refusal, the longest first, else the one with the least left."""
    return min(
        verdicts,
        key=lambda v: (v.allowed, -v.reset_seconds if not v.allowed else v.remaining),
        default=UNLIMITED,
    )


def identify(rate: Rate, caller_id: str | None, address: str, account: str | None) -> str:
    """Name whom a rate counts. Accounts are hashed: what was typed as a login may be anything."""
    if rate.per == ACCOUNT:
        return "account:" + hashlib.sha256((account or "").casefold().encode("utf-8", "replace")).hexdigest()
    if rate.per == CALLER and caller_id:
        return f"user:{caller_id}"
    return f"address:{network_of(address)}"


def network_of(address: str) -> str:
    """Return the address, or the /64 of an IPv6 one: a single customer has a whole /64."""
    try:
        if ip_address(address).version == 6:
            return str(ip_network(f"{address}/64", strict=False))
    except ValueError:
        return "unknown"
    return address


def item_of(rate: Rate) -> RateLimitItem:
    """Return the rate as `limits` wants it."""
    return RateLimitItemPerSecond(rate.quota, rate.seconds)
