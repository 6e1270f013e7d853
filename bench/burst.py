"""A burst of uploads on the whole platform: how long reads wait meanwhile, and when each film is READY.

Everything runs as `run.py up` has it: two API processes, a worker with two, the local Cloudinary with one ffmpeg at a
time and low priority. The reads come from a process of their own, at a fixed rate.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from bson import ObjectId

from bench import world
from bench.load import TICKS, Result, cpu_seconds, family
from bench.rounds import Row, Say, rows_of
from bench.servers import PROCESSES
from bench.upload import create, send_file
from bench.world import World
from dev.child import ROOT
from dev.clips import find_clip
from dev.parts import PARTS
from dev.stack import SERVICES, Stack
from features.backend import Backend
from machine.jobs.ledger import OPEN
from settings import Settings

CLIP = "bigbuckbunny.mp4"
# Two seconds of it, small: a film as a telephone sends it would have ffmpeg busy for an hour.
CUT = "-nostdin -loglevel error -t 2 -vf scale=320:-2 -c:v libx264 -preset veryfast -c:a aac -y"
AT_ONCE, ALONE = 8, 5
RATE, IDLE_SECONDS = 50, 20
LONGEST_SECONDS = 900
# How often READY is looked for: seldom while there are many, since the look itself takes the machine's time.
POLL_SECONDS, POLL_MANY_SECONDS, MANY = 0.02, 0.25, 10
VIDEOS, COMMENTS = 2000, 4000
Probed = list[tuple[float, float, int]]


@dataclass
class Films:
    """The films of a run: when each was uploaded, how long the upload took, and when it was READY."""

    uploaded: dict[str, float] = field(default_factory=dict)
    uploads: list[float] = field(default_factory=list)
    ready: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def latencies(self) -> list[float]:
        """Return the seconds from the answer of each upload to READY, in order."""
        return sorted(self.ready[id_] - self.uploaded[id_] for id_ in self.ready)


class Platform:
    """The platform with some data, and somebody with a channel."""

    def __init__(self, stack: Stack, services: Backend, data: World) -> None:
        self.stack, self.services, self.data = stack, services, data
        self.url = stack.env["PUBLIC_URL"]
        self.clip = make_clip(stack.data.path)
        self.channel = create(self.url, data, "/channels", {"handle": "burst", "name": "Burst"})

    def upload(self, films: Films) -> str:
        """Make a video and upload its film; return its id."""
        video = create(
            self.url, self.data, "/videos", {"channel": self.channel, "title": "A film of the burst"}
        )
        # A box of its own at the end: no two files are the same.
        film = self.clip + b"\x00\x00\x00\x20free" + video.encode()
        took = send_file(self.url, f"/api/v1/videos/{video}/upload", film, self.data.token)
        films.uploaded[video] = time.time()
        films.uploads.append(took)
        return video

    def watch(self, films: Films, count: int) -> None:
        """Wait until so many films are READY or FAILED, and note when."""
        until = time.monotonic() + LONGEST_SECONDS
        videos = self.services.db["videos"]
        while len(films.ready) + len(films.failed) < count:
            if time.monotonic() > until:
                return
            open_ = [ObjectId(id_) for id_ in set(films.uploaded) - set(films.ready) - set(films.failed)]
            query = {"_id": {"$in": open_}, "status": {"$in": ["READY", "FAILED"]}}
            for row in videos.find(query, {"status": 1}):
                if row["status"] == "READY":
                    films.ready[str(row["_id"])] = time.time()
                else:
                    films.failed.append(str(row["_id"]))
            time.sleep(POLL_MANY_SECONDS if len(open_) > MANY else POLL_SECONDS)

    def rest(self) -> None:
        """Wait until nothing is owed to any video."""
        until = time.monotonic() + LONGEST_SECONDS
        owed = {"subject.resource": "videos", "state": {"$in": OPEN}}
        while self.services.db["jobs"].count_documents(owed, limit=1) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)

    @contextlib.contextmanager
    def probed(self) -> Iterator[Probed]:
        """Read at a fixed rate meanwhile; what is yielded is filled at the end."""
        item = f"/api/v1/videos/{self.data.videos[0]}"
        paths = ["/api/v1/videos", item, "!/api/v1/videos", f"!{item}"]
        probe = subprocess.Popen(
            [sys.executable, "-m", "bench.probe", self.url, str(RATE), *paths],
            cwd=ROOT, env={**os.environ, "TOKEN": self.data.token}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        found: Probed = []
        try:
            yield found
        finally:
            found += map(tuple, json.loads(probe.communicate("")[0]))


def make_clip(folder: Path) -> bytes:
    """Cut a small real film."""
    made = folder / "clip.mp4"
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-ss", "1", "-i", str(find_clip(CLIP)), *CUT.split(), str(made)], check=True)
    return made.read_bytes()


@contextlib.contextmanager
def running(environ: dict[str, str]) -> Iterator[Platform]:
    """Bring everything up as `run.py up` does, with some data."""
    environ = {**environ, "RATE_LIMITS": "off", "ACCESS_LOG": "0", "LOG_LEVEL": "WARNING"}
    environ["ACCESS_TOKEN_SECONDS"] = "86400"
    own = ("beat", "worker", "api")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as undo:
        stack = Stack(
            folder, (*SERVICES, *own), environ=environ, api_workers=PROCESSES, job_workers=PROCESSES
        )
        stack.prepare()
        undo.callback(stack.stop)
        stack.launch([PARTS[name] for name in SERVICES])
        services = Backend(Settings.from_env({**environ, **stack.env}))
        undo.callback(services.close)
        data = world.build(services, VIDEOS, COMMENTS)
        migrate = [sys.executable, "run.py", "db", "migrate"]
        subprocess.run(migrate, cwd=ROOT, env={**environ, **stack.env}, check=True, stdout=subprocess.DEVNULL)
        stack.launch([PARTS[name] for name in own])
        yield Platform(stack, services, data)


def measure(environ: dict[str, str], films: int, say: Say) -> tuple[list[Row], dict[str, str]]:
    """Compare reads in a burst of uploads with reads on an idle platform; return rows and what else there is to say."""
    with running(environ) as platform:
        alone = measure_alone(platform)
        say(f"  one film alone is READY after {statistics.median(alone):.2f} s")
        before, cost_before = idle(platform)
        burst, within, many, cost = storm(platform, films)
        say(f"  {len(many.ready)} of {films} films READY, {len(many.failed)} FAILED")
        after, cost_after = idle(platform)
    calm = [result_of(before, cost_before), result_of(after, cost_after)]
    pressed = [result_of(burst, cost["api"])] * 2
    rows = waiting("burst", "marquee", pressed, calm) + rows_of("burst", "idle", calm, {})
    rows += ready_rows(alone, many.latencies())
    by_part = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in cost.items())
    return rows, {**describe(alone, many, within, burst), "CPU of each part in the burst": by_part}


def measure_alone(platform: Platform) -> list[float]:
    """Upload films one by one to a platform that is idle; return the seconds until each was READY."""
    took = []
    for number in range(ALONE + 1):
        films = Films()
        platform.upload(films)
        platform.watch(films, 1)
        platform.rest()
        # The first one warms the processes up.
        took += films.latencies() if number else []
    return took


def spent(platform: Platform) -> dict[str, float]:
    """Return the CPU seconds that each part has used so far, with the programs that it has run to their end."""
    return {name: sum(map(with_children, family(one.pid))) for name, one in platform.stack.processes.items()}


def with_children(pid: int) -> float:
    """Return the CPU seconds of a process and of those that it has waited for, none when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS


def idle(platform: Platform) -> tuple[Probed, float]:
    """Read for a while with nothing else going on; return the reads, and the CPU the API took."""
    platform.rest()
    pid = platform.stack.processes["api"].pid
    used = cpu_seconds(pid)
    with platform.probed() as found:
        time.sleep(IDLE_SECONDS)
    return found, cpu_seconds(pid) - used


def storm(platform: Platform, count: int) -> tuple[Probed, Probed, Films, dict[str, float]]:
    """Upload films, eight at a time; return all reads, those while uploads arrived, the films, the CPU of each part."""
    films, before = Films(), spent(platform)
    with platform.probed() as found, ThreadPoolExecutor(AT_ONCE) as uploaders:
        began = time.time()
        sent = [uploaders.submit(platform.upload, films) for _ in range(count)]
        platform.watch(films, count)
        for one in sent:
            one.result()
        ended = time.time()
    used = {name: seconds - before[name] for name, seconds in spent(platform).items()}
    if not films.ready:
        raise RuntimeError("no film of the burst was READY")
    last = max(films.uploaded.values())
    reads = [one for one in found if began <= one[0] <= ended]
    return reads, [one for one in reads if one[0] <= last], films, used


def result_of(reads: Probed, used: float) -> Result:
    """Return paced reads as a result; the CPU is all that the API used, uploads included."""
    length = reads[-1][0] - reads[0][0]
    failures = sum(status != 200 for _, _, status in reads)
    middle, high = percentile(reads, 50), percentile(reads, 99)
    return Result(len(reads) / length, used / len(reads) * 1e6, middle, high, failures, len(reads))


def percentile(reads: Probed, percent: int) -> float:
    """Return a percentile of the latencies, in milliseconds."""
    return statistics.quantiles([took for _, took, _ in reads], n=100, method="inclusive")[percent - 1]


def waiting(case: str, server: str, mine: list[Result], theirs: list[Result]) -> list[Row]:
    """Return a row whose ratio is that of the 99th percentiles, theirs by ours: 0.5 is twice as long."""
    by_wait = [[Result(1000 / r.p99_ms, 0, 0, r.p99_ms, 0, 1) for r in side] for side in (mine, theirs)]
    held = rows_of(case, server, by_wait[0], {"idle": by_wait[1]})[0]
    own = rows_of(case, server, mine, {})[0]
    return [
        {**held, **{name: own[name] for name in ("rps", "cpu_us", "p99_ms", "failures")}, "cpu_ratio": None}
    ]


def ready_rows(alone: list[float], burst: list[float]) -> list[Row]:
    """Return the rows of the time until READY: films a second, and the slowest."""
    rows = []
    for case, found in (("ready_alone", alone), ("ready_in_burst", burst)):
        results = [Result(1 / one, 0, one * 1000, max(found) * 1000, 0, 1) for one in found]
        rows += rows_of(case, "marquee", results, {}) if results else []
    return rows


def describe(alone: list[float], many: Films, within: Probed, burst: Probed) -> dict[str, Any]:
    """Return what is said of a burst beside its rows."""
    found, uploads = many.latencies(), sorted(many.uploads)
    first = min(many.uploaded.values()) - uploads[0]
    count = len(many.uploaded)
    return {
        "one film alone, from the answer of its upload to READY, median (slowest) of 5": (
            f"{statistics.median(alone):.2f} s ({max(alone):.2f} s)"
        ),
        f"{count} films, {AT_ONCE} at a time, to READY: median, 95th percentile, slowest": (
            f"{statistics.median(found):.1f} s, {found[int(len(found) * 0.95)]:.1f} s, {found[-1]:.1f} s"
        ),
        f"of {count} films READY, FAILED": f"{len(many.ready)}, {len(many.failed)}",
        "time from the first upload to the last READY": f"{max(many.ready.values()) - first:.0f} s",
        "one upload in the burst, median (slowest)": f"{statistics.median(uploads):.2f} s ({uploads[-1]:.2f} s)",
        "reads while uploads arrived, 50th and 99th percentile": (
            f"{percentile(within, 50):.1f} ms, {percentile(within, 99):.1f} ms"
        ),
        "reads until the last was READY, 50th and 99th percentile": (
            f"{percentile(burst, 50):.1f} ms, {percentile(burst, 99):.1f} ms"
        ),
        "settings of the burst": (
            f"{PROCESSES} API processes of 32 threads, {PROCESSES} worker processes, "
            "these and the local Cloudinary at nice 10, one ffmpeg at a time at nice 19"
        ),
    }
