"""What is no request rate: start-up, memory, deep pages, large uploads."""

import re
import statistics
import time

import orjson

from bench import upload
from bench.load import cpu_seconds, memory_mib, press, script
from bench.servers import MARQUEE, PROCESSES, SERVERS, Fleet, fetch
from bench.world import World

DEEP = 400
ROUNDS = 5


def measure(fleet: Fleet, world: World) -> dict[str, str]:
    """Measure everything that this module knows; return values by name."""
    found = memory(fleet)
    fleet.stop(*(name for name in list(fleet.children) if name != "marquee"))
    if "marquee" not in fleet.children:
        fleet.start(["marquee"])
    found |= depth(fleet) | start_up(fleet)
    fleet.start(["floor_sink"], SINK_DIR=str(fleet.folder))
    return found | upload.measure(fleet, world)


def start_up(fleet: Fleet) -> dict[str, str]:
    """Measure from the start of the server, with its two processes side by side, to the first answer."""
    took, used = [], []
    for _ in range(3):
        fleet.stop(*(name for name in ("marquee_hot",) if name in fleet.children))
        began = time.monotonic()
        fleet.start(["marquee_hot"])
        took.append(time.monotonic() - began)
        used.append(cpu_seconds(fleet.children["marquee_hot"].pid) / PROCESSES)
    return {
        "start-up of the API, two processes side by side, to the first answer": f"{statistics.median(took):.2f} s",
        "CPU of a start-up, per process": f"{statistics.median(used):.2f} s",
    }


def memory(fleet: Fleet) -> dict[str, str]:
    """Measure the proportional memory of the largest process of each server, after the load."""
    found = {}
    for name, child in fleet.children.items():
        if SERVERS[name].target == MARQUEE or name.startswith(("express", "starlette")):
            found[f"memory of {name}, per process, after the load"] = f"{max(memory_mib(child.pid)):.0f} MiB"
    return found


def depth(fleet: Fleet) -> dict[str, str]:
    """Compare a page far into a list with the first, uncached, in turns."""
    path = walk(fleet, DEEP)
    ratio = turn_ratio(fleet, "/api/v1/videos", path)
    return {f"page {DEEP} of the list of 25 against page 1, uncached (1: as fast)": f"{ratio:.2f}"}


def walk(fleet: Fleet, pages: int) -> str:
    """Follow `next` to a page and return its path; pages of 100 on the way, the last one of 25."""
    path = "/api/v1/videos?max_results=100"
    for _ in range(pages // 4):
        following = orjson.loads(fetch(fleet.url("marquee") + path)[1])["_links"].get("next")
        if following is None:
            break
        path = following["href"]
    return re.sub(r"[?&]max_results=100", lambda match: "?" if match[0][0] == "?" else "", path).replace(
        "?&", "?"
    )


def turn_ratio(fleet: Fleet, first: str, second: str) -> float:
    """Return how fast the second path is in units of the first: the median ratio of neighbouring rounds."""
    url, pid = fleet.url("marquee"), fleet.children["marquee"].pid
    ratios = []
    for _ in range(ROUNDS):
        one, other = (press(url, script((path,), "GET", (), {}), pid, 1).rps for path in (first, second))
        ratios.append(other / one)
    return statistics.median(ratios)
