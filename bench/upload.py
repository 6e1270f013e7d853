"""A large upload through the API against a bare WSGI sink: the same bytes, in turns; and what memory it takes."""

import http.client
import statistics
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from bench.load import Result, cpu_seconds, family
from bench.rounds import Row, in_turns, rows_of
from bench.servers import Fleet, fetch
from bench.world import World

GIB = 1024**3
PIECE = 1024 * 1024
BOUNDARY = "piece-of-the-benchmark"
# Enough of an MP4 file for the API to take it for one.
MP4 = bytes.fromhex("00000018667479706d703432000000006d70343269736f6d00000008667265650000000c6d646174")
SERVER, SINK = "marquee", "floor_sink"


def measure(fleet: Fleet, world: World, size: int, rounds: int) -> tuple[list[Row], dict[str, str]]:
    """Compare uploads of `size` bytes in neighbouring rounds; return rows, and what else there is to say of it."""
    fleet.stop()
    fleet.start([SERVER, SINK], SINK_DIR=str(fleet.folder), DATA_DIR=str(fleet.folder))
    channel = channel_of(fleet, world, SERVER)
    before = peak_mib(fleet.children[SERVER].pid)

    def ours() -> Result:
        video = create(fleet.url(SERVER), world, "/videos", {"channel": channel, "title": "A large upload"})
        result = timed(fleet, SERVER, f"/api/v1/videos/{video}/upload", size, world.token)
        for file in (fleet.folder / "spool").rglob("*"):
            if file.is_file():
                file.unlink()
        return result

    contestants = {SERVER: ours, SINK: lambda: timed(fleet, SINK, "/", size, "")}
    found = {name: with_worst(results) for name, results in in_turns(contestants, rounds).items()}
    rows = rows_of("upload", SERVER, found[SERVER], {SINK: found[SINK]})
    rows += rows_of("upload", SINK, found[SINK], {})
    grown = peak_mib(fleet.children[SERVER].pid) - before
    speed = statistics.median(one.rps for one in found[SERVER]) * size / 1e6
    return rows, {
        f"speed of an upload of {size / GIB:g} GiB here": f"{speed:.0f} MB/s",
        f"growth of the API's peak memory by {rounds} of them": f"{grown:.0f} MiB",
    }


def timed(fleet: Fleet, name: str, path: str, size: int, token: str) -> Result:
    """Upload once; return it as a result of one request."""
    pid = fleet.children[name].pid
    before = cpu_seconds(pid)
    took = send(fleet.url(name), path, size, token)
    used = cpu_seconds(pid) - before
    return Result(1 / took, used * 1e6, took * 1000, took * 1000, 0, 1)


def with_worst(results: list[Result]) -> list[Result]:
    """Say of each of a few requests what the slowest took: that is their 99th percentile."""
    worst = max(one.p99_ms for one in results)
    return [replace(one, p99_ms=worst) for one in results]


def channel_of(fleet: Fleet, world: World, server: str) -> str:
    """Create a channel for uploads and return its id."""
    named = {"handle": f"uploads{time.time_ns()}", "name": "Uploads"}
    return create(fleet.url(server), world, "/channels", named)


def create(url: str, world: World, path: str, document: dict[str, str]) -> str:
    """Create a document and return its id."""
    body = orjson.dumps(document).decode()
    status, answer, _ = fetch(f"{url}/api/v1{path}", "POST", body, world.token)
    if status != 201:
        raise RuntimeError(f"POST {path} answers {status}: {answer[:200]!r}")
    return str(orjson.loads(answer)["_id"])


def form() -> tuple[bytes, bytes]:
    """Return what stands before and after the file in a form."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n'
        "Content-Type: video/mp4\r\n\r\n"
    )
    return head.encode(), f"\r\n--{BOUNDARY}--\r\n".encode()


def send(url: str, path: str, size: int, token: str) -> float:
    """Send a form with one file of so many bytes; return the seconds until the answer is there."""
    piece = b"\x5a" * PIECE
    pieces = (piece[: size - at] for at in range(len(MP4), size, PIECE))
    return send_pieces(url, path, chain([MP4], pieces), size, token)


def send_file(url: str, path: str, content: bytes, token: str) -> float:
    """Send a form with this file; return the seconds until the answer is there."""
    return send_pieces(url, path, [content], len(content), token)


def send_pieces(url: str, path: str, pieces: Iterable[bytes], size: int, token: str) -> float:
    """Send a form with one file piece by piece; return the seconds until the answer is there."""
    head, tail = form()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=300)
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + size + len(tail)))
    if token:
        connection.putheader("Authorization", f"Bearer {token}")
    connection.endheaders()
    began = time.monotonic()
    for piece in chain([head], pieces, [tail]):
        connection.send(piece)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status not in (200, 202):
        raise RuntimeError(f"{path} answers {answer.status}: {text[:200]!r}")
    return time.monotonic() - began


def peak_mib(pid: int) -> float:
    """Return the highest resident memory that any process of a server has had, in MiB."""
    peaks = [0.0]
    for one in family(pid):
        for line in Path(f"/proc/{one}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peaks.append(int(line.split()[1]) / 1024)
    return max(peaks)
