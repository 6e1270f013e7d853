"""Measure Marquee under granian and gunicorn in their variants: `python -m bench.wsgi_servers`.

Two processes each, in turns: a list from MongoDB, a list from memory, and the latter while 32 uploads trickle in.
"""

import contextlib
import json
import socket
import statistics
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from bench import report, upload, world
from bench.load import NoWrk, Result, press, require_wrk, script
from bench.rounds import Noise, in_turns, spread
from bench.run import databases
from bench.servers import BENCH, SERVERS, Fleet, missing
from bench.world import World
from dev.errors import StackError

NAMES = tuple(name for name in SERVERS if name.startswith(("granian_", "gunicorn_")))
SLOW = 32
TRICKLE_SECONDS = 0.2
# What a slow upload says that it will send; it never does.
PROMISED = 10_000_000
LIST = script(["/api/v1/videos"], "GET", (), {})
Found = dict[str, dict[str, list[Result]]]


@click.command()
@click.option("--rounds", type=int, default=4, show_default=True)
@click.option("--seconds", type=float, default=2, show_default=True)
@click.option("--videos", type=int, default=20_000, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=BENCH / "out", help="Folder of the report.")
def main(rounds: int, seconds: float, videos: int, out: Path) -> None:
    """Measure Marquee under each server; print a table, and write wsgi_servers.json for `--publish`."""
    require_wrk()
    names, noise = [name for name in NAMES if not missing(SERVERS[name])], Noise()
    with databases() as (fleet, services):
        data = world.build(services, videos, videos)
        found = measure(fleet, data, names, rounds, seconds, noise)
    rows = [summary(case, name, results) for case, all_ in found.items() for name, results in all_.items()]
    out.mkdir(parents=True, exist_ok=True)
    about = {"rounds": rounds, "seconds": seconds, "noise": noise.describe()}
    (out / "wsgi_servers.json").write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
    click.echo("\n".join(report.table_of_servers(rows)))


def measure(fleet: Fleet, data: World, names: list[str], rounds: int, seconds: float, noise: Noise) -> Found:
    """Measure all cases; return the results by case and server."""
    found: Found = {}
    for case, cache in (("list", "off"), ("hot", "on")):
        fleet.start(names, READ_CACHE=cache, DATA_DIR=str(fleet.folder))
        turns = {name: lambda name=name: loaded(fleet, name, seconds) for name in names}
        in_turns(turns, 1)
        with noise.watching():
            found[case] = in_turns(turns, rounds)
        if case == "hot":
            slow = {name: lambda name=name: beside_slow(fleet, data, name, seconds) for name in names}
            found["hot, 32 slow uploads"] = in_turns(slow, max(2, rounds // 2))
        fleet.stop()
    return found


def loaded(fleet: Fleet, name: str, seconds: float) -> Result:
    """Load one server with lists."""
    return press(fleet.url(name), LIST, fleet.children[name].pid, seconds)


def beside_slow(fleet: Fleet, data: World, name: str, seconds: float) -> Result:
    """Load one server with lists while uploads trickle in."""
    with trickling(fleet, data, name):
        return loaded(fleet, name, seconds)


@contextlib.contextmanager
def trickling(fleet: Fleet, data: World, name: str) -> Iterator[None]:
    """Keep 32 uploads going meanwhile, each a few bytes at a time."""
    channel = upload.channel_of(fleet, data, name)
    made = {"channel": channel, "title": "Slow"}
    videos = [upload.create(fleet.url(name), data, "/videos", made) for _ in range(SLOW)]
    # Only now: a server without a thread to spare takes nothing any more.
    connections = [begin(fleet.url(name), f"/api/v1/videos/{video}/upload", data.token) for video in videos]
    ended = threading.Event()

    def trickle() -> None:
        while not ended.wait(TRICKLE_SECONDS):
            for one in connections:
                with contextlib.suppress(OSError):
                    one.send(b"\x5a" * 16)

    sender = threading.Thread(target=trickle)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()
        for one in connections:
            one.close()


def begin(url: str, path: str, token: str) -> socket.socket:
    """Begin an upload whose end will not come."""
    where = urlsplit(url)
    head, _ = upload.form()
    lines = [
        f"POST {path} HTTP/1.1", f"Host: {where.netloc}", f"Authorization: Bearer {token}",
        f"Content-Type: multipart/form-data; boundary={upload.BOUNDARY}", f"Content-Length: {PROMISED}", "", "",
    ]  # fmt: skip
    connection = socket.create_connection((where.hostname, where.port), timeout=10)
    connection.sendall("\r\n".join(lines).encode() + head + upload.MP4)
    return connection


def summary(case: str, name: str, results: list[Result]) -> dict[str, Any]:
    """Return one row: medians of the rounds."""
    middle = {
        field: statistics.median(getattr(one, field) for one in results)
        for field in ("rps", "cpu_us", "p99_ms")
    }
    failures = sum(one.failures for one in results)
    rates = [one.rps for one in results]
    return {"case": case, "server": name, **middle, "spread_percent": spread(rates), "failures": failures}


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except (NoWrk, StackError, click.ClickException) as trouble:
        sys.exit(str(trouble))
