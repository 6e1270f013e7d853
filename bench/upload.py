"""A large upload through the API against a bare WSGI sink: the same bytes, in turns; and what memory it takes."""

import http.client
import statistics
import time
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from bench.load import family
from bench.servers import Fleet, fetch
from bench.world import World

GIB = 1024**3
PIECE = 1024 * 1024
BOUNDARY = "piece-of-the-benchmark"
# Enough of an MP4 file for the API to take it for one.
MP4 = bytes.fromhex("00000018667479706d703432000000006d70343269736f6d00000008667265650000000c6d646174")
SERVER = "marquee_hot"


def measure(fleet: Fleet, world: World, size: int = GIB, rounds: int = 3) -> dict[str, str]:
    """Compare uploads of `size` bytes in neighbouring rounds; needs the servers marquee_hot and floor_sink."""
    channel = create(fleet, world, "/channels", {"handle": "uploads", "name": "Uploads"})
    ratios, speeds = [], []
    before = peak_mib(fleet.children[SERVER].pid)
    for number in range(rounds):
        video = create(fleet, world, "/videos", {"channel": channel, "title": f"Upload {number}"})
        sink = send(fleet.url("floor_sink"), "/", size, "")
        ours = send(fleet.url(SERVER), f"/api/v1/videos/{video}/upload", size, world.token)
        ratios.append(sink / ours)
        speeds.append(size / ours / 1e6)
    grown = peak_mib(fleet.children[SERVER].pid) - before
    return {
        f"upload of {size / GIB:g} GiB through the API against a bare sink to disk (1: as fast)": (
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        ),
        "its speed here": f"{statistics.median(speeds):.0f} MB/s",
        "growth of the API's peak memory by these uploads": f"{grown:.0f} MiB",
    }


def create(fleet: Fleet, world: World, path: str, document: dict[str, str]) -> str:
    """Create a document and return its id."""
    body = orjson.dumps(document).decode()
    status, answer, _ = fetch(f"{fleet.url(SERVER)}/api/v1{path}", "POST", body, world.token)
    if status != 201:
        raise RuntimeError(f"POST {path} answers {status}: {answer[:200]!r}")
    return str(orjson.loads(answer)["_id"])


def send(url: str, path: str, size: int, token: str) -> float:
    """Send a form with one file; return the seconds until the answer is there."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n'
        "Content-Type: video/mp4\r\n\r\n"
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=300)
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + size + len(tail)))
    if token:
        connection.putheader("Authorization", f"Bearer {token}")
    connection.endheaders()
    began, piece, left = time.monotonic(), b"\x5a" * PIECE, size - len(MP4)
    connection.send(head + MP4)
    while left:
        left -= len(sent := piece[:left])
        connection.send(sent)
    connection.send(tail)
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
