"""What is no request rate: start-up, memory, deep pages, large collections, large uploads."""

import statistics
import time
from typing import Any

import orjson

from bench.load import memory_mib, press, script
from bench.servers import MARQUEE, SERVERS, Fleet, fetch
from bench.world import World
from services import Services

DEPTH = 800
ROUNDS = 5


def measure(fleet: Fleet, services: Services, world: World) -> dict[str, str]:
    """Measure everything that this module knows; return sentences by name."""
    return {**start_up(fleet), **memory(fleet), **depth(fleet)}


def start_up(fleet: Fleet) -> dict[str, str]:
    """Measure the seconds from the start of the server to its first answer."""
    took = []
    for _ in range(3):
        name = "marquee_hot"
        fleet.stop(name) if name in fleet.children else None
        began = time.monotonic()
        fleet.start([name])
        took.append(time.monotonic() - began)
    return {
        "start-up of the API, two processes at once, to the first answer": f"{statistics.median(took):.2f} s"
    }


def memory(fleet: Fleet) -> dict[str, str]:
    """Measure the proportional memory per process, after the load."""
    found = {}
    for name, child in fleet.children.items():
        if SERVERS[name].target == MARQUEE or name.startswith(("express", "starlette")):
            found[f"memory of {name}, per process"] = f"{max(memory_mib(child.pid)):.0f} MiB"
    return found


def depth(fleet: Fleet) -> dict[str, str]:
    """Compare a page far into a list with the first, in turns."""
    if "marquee" not in fleet.children:
        return {}
    path = walk(fleet, DEPTH)
    ratio = turn_ratio(fleet, "/api/v1/videos", path)
    return {f"page {DEPTH} of the list against page 1, uncached (1: as fast)": f"{ratio:.2f}"}


def walk(fleet: Fleet, pages: int) -> str:
    """Follow `next` so many times and return the path reached."""
    path = "/api/v1/videos"
    for _ in range(pages - 2):
        links = orjson.loads(fetch(fleet.url("marquee") + path)[1])["_links"]
        if "next" not in links:
            break
        path = links["next"]["href"]
    return path


def turn_ratio(fleet: Fleet, first: str, second: str) -> float:
    """Return how much faster the second path is than the first: the median ratio of neighbouring rounds."""
    url, pid = fleet.url("marquee"), fleet.children["marquee"].pid
    ratios: list[Any] = []
    for _ in range(ROUNDS):
        one, other = (press(url, script((path,), "GET", (), {}), pid, 1).rps for path in (first, second))
        ratios.append(other / one)
    return statistics.median(ratios)
