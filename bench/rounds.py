"""The rounds of a run: every server of a case in turn, again and again, so that a ratio compares neighbours in time."""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.cases import Case
from bench.load import TICKS, Result, cpu_seconds, press, script
from bench.servers import SERVERS, Fleet, fetch
from bench.world import World

Say = Callable[[str], None]
Row = dict[str, Any]
SPIN, SPINS = 200_000, 10
PLAIN = " 200"
# Seconds that do not count, before the first round of a case; V8 compiles what is hot meanwhile.
WARM_UP = {"wsgi": 1, "asgi": 1, "node": 4}
# What a server of a case is held against, the first of these that takes part; targets of the design.
BASELINES: dict[str, tuple[str, ...]] = {
    "marquee": ("express_lean", "floor_find", "starlette", "flask_hello", "eve_stock"),
    "marquee_cached": ("express_redis", "floor_redis", "flask_hello"),
    "marquee_hot": ("express_redis", "floor_hello", "marquee_cached"),
    "floor_find": ("express_lean",),
    "starlette": ("express_lean",),
    "eve_stock": ("express_lean",),
    "express_redis": ("express_lean",),
}


@dataclass
class Noise:
    """How steady the machine was: the same loop timed again and again, and the CPU that others used."""

    spins: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)

    def spin(self) -> None:
        """Time a loop that does the same every time."""
        begin = time.perf_counter()
        total = 0
        for number in range(SPIN):
            total += number
        self.spins.append(time.perf_counter() - begin)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note how steady the machine is before something, and how many cores others use meanwhile."""
        for _ in range(SPINS):
            self.spin()
        before = busy_seconds(), time.monotonic(), ours()
        yield
        self.others.append(used_by_others(before))

    def describe(self) -> dict[str, float]:
        """Return the spread of the loop in percent, and the cores that others kept busy."""
        low, middle, high = quartiles(self.spins)
        return {
            "loop_ms": round(middle * 1000, 2),
            "loop_spread_percent": round((high - low) / middle * 100, 1),
            "cores_used_by_others": round(statistics.median(self.others or [0.0]), 2),
        }


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Return lower quartile, median and upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def measure(
    cases: Iterable[Case], fleet: Fleet, world: World, rounds: int, seconds: float, say: Say, noise: Noise
) -> dict[tuple[str, str], list[Result]]:
    """Measure every server of every case `rounds` times, in turn; return the results by (case, server)."""
    results: dict[tuple[str, str], list[Result]] = {}
    for case in cases:
        texts = {name: script_for(case, name, fleet, world) for name in case.servers}
        if case.conditional:
            # The same request without its condition, in the same rounds: what a 304 saves.
            plain = replace(case, conditional=False)
            texts |= {f"{name}{PLAIN}": script_for(plain, name, fleet, world) for name in case.servers}
        for number in range(rounds + 1):
            # Every other round runs backwards, so that nobody always comes after the same neighbour.
            for contestant in texts if number % 2 else reversed(texts):
                name = contestant.removesuffix(PLAIN)
                noise.spin()
                before = busy_seconds(), time.monotonic(), ours()
                length = seconds if number else WARM_UP[SERVERS[name].kind]
                result = press(fleet.url(name), texts[contestant], fleet.children[name].pid, length)
                if number:
                    noise.others.append(used_by_others(before))
                    results.setdefault((case.name, contestant), []).append(result)
        for name in texts:
            found = results[case.name, name]
            cpu, rps = (statistics.median(getattr(one, what) for one in found) for what in ("cpu_us", "rps"))
            failed = sum(one.failures for one in found)
            broken = f"  {failed} failed" if failed else ""
            say(f"  {case.name:14} {name:16} {rps:9,.0f} req/s {cpu:9,.0f} us CPU{broken}")
    return results


def script_for(case: Case, name: str, fleet: Fleet, world: World) -> str:
    """Write wrk's script for a case and a server, with its token and its validator."""
    headers = dict(case.headers)
    if case.signed_in:
        token = world.token if name.startswith("marquee") else world.peer_token
        headers["Authorization"] = f"Bearer {token}"
    if case.bodies:
        headers["Content-Type"] = "application/json"
    if case.conditional:
        headers["If-None-Match"] = fetch(fleet.url(name) + case.paths[0])[2]["etag"]
    return script(case.paths, case.method, case.bodies, headers)


def ours() -> float:
    """Return the CPU time of this process, of all that it started, and of what has ended already."""
    times = os.times()
    return cpu_seconds(os.getpid()) + times.children_user + times.children_system


def busy_seconds() -> float:
    """Return the CPU time that the whole machine has used, in seconds."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / TICKS


def used_by_others(before: tuple[float, float, float]) -> float:
    """Return how many cores were busy with what is not ours since `before`."""
    busy, began, own = before
    return max(0.0, (busy_seconds() - busy) - (ours() - own)) / (time.monotonic() - began)


def in_turns(contestants: Mapping[str, Callable[[], Result]], rounds: int) -> dict[str, list[Result]]:
    """Measure each contestant `rounds` times, every other round backwards; return the results by name."""
    found: dict[str, list[Result]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name in contestants if number % 2 else reversed(contestants):
            found[name].append(contestants[name]())
    return found


def compare(results: dict[tuple[str, str], list[Result]]) -> list[Row]:
    """Return one row per (case, server, baseline)."""
    rows = []
    for (case, server), found in results.items():
        against = (f"{server}{PLAIN}", *BASELINES.get(server, ()))
        others = {name: results[case, name] for name in against if (case, name) in results}
        rows += rows_of(case, server, found, others)
    return rows


def rows_of(case: str, server: str, found: list[Result], against: Mapping[str, list[Result]]) -> list[Row]:
    """Return a row for each that a server is held against; a ratio is the median of those of neighbouring rounds."""
    row = {
        "case": case,
        "server": server,
        "rps": significant(statistics.median(one.rps for one in found)),
        "cpu_us": round(statistics.median(one.cpu_us for one in found), 1),
        "p99_ms": round(statistics.median(one.p99_ms for one in found), 2),
        "spread_percent": spread([one.rps for one in found]),
        "failures": sum(one.failures for one in found),
    }
    if not against:
        return [{**row, "ratio_to": None, "ratio": None}]
    return [{**row, "ratio_to": name, **ratios(found, other)} for name, other in against.items()]


def significant(value: float) -> float:
    """Round to one decimal, what is below ten to three digits: an upload of 1 GiB takes seconds."""
    return round(value, 1) if value >= 10 else float(f"{value:.3g}")


def ratios(mine: list[Result], theirs: list[Result]) -> Row:
    """Return throughput and CPU ratios with their range; above 1 is better. Within the noise is neither."""
    rates = [one.rps / other.rps for one, other in zip(mine, theirs, strict=True)]
    costs = [other.cpu_us / one.cpu_us for one, other in zip(mine, theirs, strict=True) if one.cpu_us]
    low, high = min(rates), max(rates)
    verdict = "faster" if low > 1 else "slower" if high < 1 else "within noise"
    return {
        "ratio": round(statistics.median(rates), 3),
        "ratio_low": round(low, 3),
        "ratio_high": round(high, 3),
        "cpu_ratio": round(statistics.median(costs), 3) if costs else None,
        "verdict": verdict,
    }


def spread(values: list[float]) -> float:
    """Return the distance of the quartiles in percent of the median."""
    low, middle, high = quartiles(values)
    return round((high - low) / middle * 100, 1)
