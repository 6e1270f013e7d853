"""What a process of the API costs to have: the time until it answers, and its memory."""

import statistics
import time

from bench.load import Result, cpu_seconds, memory_mib
from bench.rounds import Row, rows_of
from bench.servers import MARQUEE, SERVERS, Fleet, fetch

ROUNDS = 5
LIMIT_SECONDS = 1.5
LIMIT = f"{LIMIT_SECONDS:g} s"
FIRST = "/api/v1/videos"


def start_up(fleet: Fleet) -> tuple[list[Row], dict[str, str]]:
    """Measure from the start of the server to its first list: one process, and two side by side."""
    fleet.stop()
    rows, said = [], {}
    for name, what in (("marquee_alone", "one process"), ("marquee_hot", "two processes side by side")):
        found = [start_once(fleet, name) for _ in range(ROUNDS)]
        took, used = (
            statistics.median(getattr(one, field) for one in found) for field in ("p50_ms", "cpu_us")
        )
        said[f"start-up of the API, {what}, to the first list"] = f"{took / 1000:.2f} s"
        said[f"CPU of it, per process ({what})"] = f"{used / 1e6:.2f} s"
        limit = [Result(1 / LIMIT_SECONDS, 0, 0, LIMIT_SECONDS * 1000, 0, 1)] * ROUNDS
        rows += rows_of("start_up", name, found, {LIMIT: limit})
    for row in rows:
        row["cpu_ratio"] = None
    return rows, said | memory(fleet, "at rest, after one list")


def start_once(fleet: Fleet, name: str) -> Result:
    """Start a server and ask it for a list; return that as a result of one request."""
    if name in fleet.children:
        fleet.stop(name)
    began = time.monotonic()
    fleet.start([name])
    status, answer, _ = fetch(fleet.url(name) + FIRST)
    if status != 200:
        raise RuntimeError(f"{name} answers {status} after its start: {answer[:200]!r}")
    took = time.monotonic() - began
    used = cpu_seconds(fleet.children[name].pid) / SERVERS[name].processes
    return Result(1 / took, used * 1e6, took * 1000, took * 1000, 0, 1)


def memory(fleet: Fleet, when: str) -> dict[str, str]:
    """Measure the proportional memory of the largest process of each server that runs."""
    found = {}
    for name, child in fleet.children.items():
        if SERVERS[name].target == MARQUEE or name.startswith(("express", "starlette")):
            found[f"memory of {name}, per process, {when}"] = f"{max(memory_mib(child.pid)):.0f} MiB"
    return found
