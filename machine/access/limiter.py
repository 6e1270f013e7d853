"""Count requests against the one table of rates: by who asks, and by what is protected, no matter who asks.

Sign-in and everything like it is counted exactly, in a moving window in Redis. Ordinary reads and writes are
counted in a fixed window, in the process first and sent to Redis in small lots. Without Redis each process
counts for itself, and the exact classes get stricter: they are never open.
"""

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from math import ceil
from typing import TYPE_CHECKING

from limits.errors import StorageError
from limits.storage import RedisStorage
from pymongo.errors import PyMongoError
from redis import RedisError

from clients import addresses
from clients.breaker import Breaker
from clients.metrics import LIMITER_FALLBACKS
from machine.access.rates import (
    ADDRESS,
    CALLER,
    MINUTE,
    NAMED,
    RATES,
    RECIPIENT,
    UNLIMITED,
    Rate,
    RateClass,
    Verdict,
    strict,
)
from machine.access.windows import LocalWindows, SharedWindows, Windows
from machine.write import audit_log

if TYPE_CHECKING:
    from machine.connected import Connected

log = logging.getLogger(__name__)

# A process reports to Redis after this share of a quota, so that several processes overshoot by little.
LOTS = 50
BREAK_SECONDS = 5.0
DROP_SECONDS = 10.0
# At most this many fixed windows are kept in a process; then those begun first are forgotten.
KEPT = 100_000
# The length of the hash of an address in a mark.
MARK = 16


class Limiter:
    """The limiter of one process."""

    def __init__(self, services: "Connected") -> None:
        self.services = services
        self.breaker = Breaker(failures=1, pause_seconds=BREAK_SECONDS, part="limiter")
        self.local = LocalWindows()
        self.shared: SharedWindows | None = None
        self.lots: RedisStorage | None = None
        self.windows: dict[str, Window] = {}
        self.next_drop = 0.0
        self.lock = threading.Lock()

    def hit(
        self, rate_class: str, caller_id: str | None, address: str, *, ticket: str = "", **protected: str
    ) -> Verdict:
        """Count one request and say whether it may pass.

        With `protected`, such as account=..., only the rates of that count. A `ticket` is for giving back just this.
        """
        if not self.services.settings.rate_limits:
            return UNLIMITED
        declared = RATES[rate_class]
        verdicts = []
        for rate in declared.rates:
            if (rate.per in NAMED) != bool(protected) or (protected and rate.per not in protected):
                continue
            who = identify(rate, caller_id, address, protected)
            if declared.exact:
                verdicts.append(self.count_exactly(rate_class, rate, who, mark_of(address, ticket)))
            else:
                verdicts.append(self.count_roughly(rate_class, rate, who))
        verdict = tightest(verdicts)
        if not verdict.allowed and (declared.exact or protected):
            self.report(rate_class, address, protected)
        return verdict

    def look(self, rate_class: str, address: str, **protected: str) -> Verdict:
        """Say whether a class that is counted roughly is used up for an address, and for what is named, as far as
        this process knows; count nothing."""
        if not self.services.settings.rate_limits:
            return UNLIMITED
        now = time.time()
        verdicts = []
        for rate in RATES[rate_class].rates:
            who = identify(rate, None, address, protected)
            window = self.windows.get(rough_name(rate_class, who, end_of_window(rate, now)))
            if window is not None and window.total + window.unsent >= rate.quota:
                reset = ceil(window.ends - now)
                verdicts.append(Verdict(False, rate_class, rate.quota, 0, reset, rate.seconds))
                self.report(rate_class, address, {rate.per: who} if rate.per in protected else {})
        return tightest(verdicts)

    def forgive(self, rate_class: str, address: str, *, ticket: str = "", **protected: str) -> None:
        """Give back what this address has spent on an account, say, whose owner has just proved to be there.

        With a `ticket`, only what was counted with it.
        """
        begin = mark_of(address, ticket) if ticket else mark_of(address)[: MARK + 1]
        for rate in forgiving(RATES[rate_class], protected):
            who = identify(rate, None, address, protected)
            self.local.forget(exact_name(rate_class, rate, who), begin)
            if not self.breaker.wait_seconds:
                try:
                    self.shared_windows().forget(exact_name(rate_class, rate, who), begin)
                except RedisError:
                    self.breaker.failed()

    def count_exactly(self, rate_class: str, rate: Rate, who: str, mark: str) -> Verdict:
        """Count in a moving window: in Redis, or without it in the process with a smaller quota."""
        if not self.breaker.wait_seconds:
            try:
                return count_in(self.shared_windows(), rate_class, rate, who, mark)
            except RedisError:
                self.breaker.failed()
                log.warning("rate limits: Redis is away; this process counts for itself")
        LIMITER_FALLBACKS.labels("exact").inc()
        return count_in(self.local, rate_class, strict(rate), who, mark)

    def count_roughly(self, rate_class: str, rate: Rate, who: str) -> Verdict:
        """Count in a fixed window, reporting to Redis once in a lot."""
        now = time.time()
        ends = end_of_window(rate, now)
        key = rough_name(rate_class, who, ends)
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
            total = self.storage().incr(key, seconds, amount)
        except StorageError:
            self.breaker.failed()
            return
        with self.lock:
            window.total = max(window.total, total)
            window.others_known = True

    def drop_ended(self, now: float) -> None:
        """Forget windows that are over, and the first of too many; the caller holds the lock."""
        if now >= self.next_drop or len(self.windows) >= KEPT:
            self.next_drop = now + DROP_SECONDS
            going = [(key, window) for key, window in self.windows.items() if window.ends > now]
            self.windows = dict(going[-KEPT // 2 :] if len(going) >= KEPT else going)

    def shared_windows(self) -> SharedWindows:
        """Return the windows in Redis, on the connections of this process."""
        if self.shared is None:
            self.shared = SharedWindows(self.services.redis)
        return self.shared

    def storage(self) -> RedisStorage:
        """Return the fixed windows in Redis, on the connections of this process."""
        if self.lots is None:
            pool = self.services.redis.connection_pool
            self.lots = RedisStorage(
                "redis://", connection_pool=pool, key_prefix="limit", wrap_exceptions=True
            )
        return self.lots

    def report(self, rate_class: str, address: str, protected: Mapping[str, str]) -> None:
        """Write a burst of refused attempts into the audit log, once per window and target."""
        rate = Rate(1, 5 * MINUTE, next(iter(protected), ADDRESS))
        who = identify(rate, None, address, protected)
        if not count_in(self.local, f"report:{rate_class}", rate, who, "").allowed:
            return
        detail = {"class": rate_class, "per": rate.per}
        try:
            audit_log.record(self.services.db, f"{rate_class}_burst", None, address=address, detail=detail)
        except PyMongoError:
            log.warning("a burst of %s attempts could not be written to the audit log", rate_class)


@dataclass
class Window:
    """What this process knows of one fixed window."""

    ends: int
    total: int = 0
    unsent: int = 0
    others_known: bool = False


def count_in(windows: Windows, rate_class: str, rate: Rate, who: str, mark: str) -> Verdict:
    """Count one request in a moving window."""
    place = windows.hit(exact_name(rate_class, rate, who), rate.quota, rate.seconds, mark)
    reset = max(0, ceil(place.reset_seconds))
    return Verdict(place.allowed, rate_class, rate.quota, place.left, reset, rate.seconds)


def tightest(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that matters: a refusal, the longest first, else the one with the least left."""
    return min(
        verdicts,
        key=lambda v: (v.allowed, -v.reset_seconds if not v.allowed else v.remaining),
        default=UNLIMITED,
    )


def identify(rate: Rate, caller_id: str | None, address: str, protected: Mapping[str, str]) -> str:
    """Name what a rate counts. What is named is hashed, in one form: what was typed as a login may be anything."""
    if rate.per in protected:
        fold = addresses.key if rate.per == RECIPIENT else str.casefold
        named = fold(protected[rate.per]).encode("utf-8", "replace")
        return f"{rate.per}:{hashlib.sha256(named).hexdigest()}"
    if rate.per == CALLER and caller_id:
        return f"user:{caller_id}"
    return f"address:{network_of(address)}"


def forgiving(declared: RateClass, protected: Mapping[str, str]) -> list[Rate]:
    """Return the rates of what is protected that a success gives back."""
    if not protected:
        raise TypeError("Name what is forgiven, such as account=...")
    return [rate for rate in declared.rates if rate.forgiven and rate.per in protected]


def end_of_window(rate: Rate, now: float) -> int:
    """Return when the fixed window ends that a moment is in."""
    return (int(now) // rate.seconds + 1) * rate.seconds


def rough_name(rate_class: str, who: str, ends: int) -> str:
    """Name a fixed window."""
    return f"rate:{rate_class}:{who}:{ends}"


def exact_name(rate_class: str, rate: Rate, who: str) -> str:
    """Name a moving window. Its length is part of it: a class may have several for one thing."""
    return f"{rate_class}:{who}:{rate.seconds}"


def mark_of(address: str, ticket: str = "") -> str:
    """Mark one request with where it came from, hashed, and with its ticket or something that no other has."""
    network = hashlib.sha256(network_of(address).encode()).hexdigest()[:MARK]
    return f"{network}:{ticket or secrets.token_hex(8)}"


def network_of(address: str) -> str:
    """Return the address, or the /64 of an IPv6 one: a single customer has a whole /64."""
    try:
        if ip_address(address).version == 6:
            return str(ip_network(f"{address}/64", strict=False))
    except ValueError:
        return "unknown"
    return address
