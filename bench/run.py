"""One run of the benchmark, part after part."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError

from bench import agree, burst, process, scale, upload, world
from bench.cases import Case, cases
from bench.load import CONNECTIONS
from bench.rounds import Noise, Row, Say, compare, measure
from bench.servers import SERVERS, Fleet, missing
from bench.world import World
from dev.errors import StackError
from dev.stack import Stack
from features.backend import Backend
from settings import Settings

PARTS = ("cases", "process", "upload", "scale", "burst")
MIB = 1024**2
UPLOAD_ROUNDS = 5


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and how long. No `cases`, no `servers`: all of them."""

    parts: frozenset[str]
    cases: tuple[str, ...]
    servers: tuple[str, ...]
    rounds: int
    seconds: float
    videos: int
    comments: int
    scale_videos: int
    upload_mib: int
    films: int


@dataclass
class Run:
    """What a run has found so far."""

    plan: Plan
    say: Say
    noise: Noise = field(default_factory=Noise)
    rows: list[Row] = field(default_factory=list)
    extras: dict[str, str] = field(default_factory=dict)
    took: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def part(self, name: str, work: Callable[[], tuple[list[Row], dict[str, str]]]) -> None:
        """Measure one part, if it is wanted, and keep what it found."""
        if name not in self.plan.parts:
            return
        self.say(f"Measuring: {name}")
        try:
            with self.timed(name), self.noise.watching():
                rows, extras = work()
        except (RuntimeError, OSError, StackError, PyMongoError) as trouble:
            # What the other parts took half an hour for is not lost.
            self.say(f"  {name} failed: {trouble}")
            self.failed.append(f"{name}: {trouble}")
            return
        self.rows += rows
        self.extras |= extras

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note how long it takes."""
        began = time.monotonic()
        yield
        self.took[name] = round(time.monotonic() - began)


def run(plan: Plan, say: Say) -> tuple[list[Row], dict[str, Any]]:
    """Measure what the plan says; return the rows, and what there is to know about the run."""
    going = Run(plan, say)
    if plan.parts - {"burst"}:
        with_servers(going)
    going.part("burst", lambda: burst.measure(bare(), plan.films, say))
    return going.rows, {
        "rounds": plan.rounds, "seconds": plan.seconds, "videos": plan.videos, "comments": plan.comments,
        "cores": os.cpu_count(), "connections": CONNECTIONS, "noise": going.noise.describe(), "extras": going.extras,
        "left_out": [f"{name}: {why}" for name in SERVERS if (why := missing(SERVERS[name]))],
        "failed": going.failed, "took_seconds": going.took,
    }  # fmt: skip


def with_servers(going: Run) -> None:
    """Measure the parts for which we start the servers ourselves, on databases of their own."""
    plan = going.plan
    with databases() as (fleet, services):
        with going.timed("filling"):
            going.say(f"Filling MongoDB with {plan.videos:,} videos and {plan.comments:,} comments")
            data = world.build(services, plan.videos, plan.comments)
        going.part("cases", lambda: in_rounds(going, fleet, services, data))
        going.part("process", lambda: process.start_up(fleet))
        size = plan.upload_mib * MIB
        going.part("upload", lambda: upload.measure(fleet, data, size, UPLOAD_ROUNDS))
        environ = {**bare(), **fleet.environ}
        going.part(
            "scale",
            lambda: scale.measure(fleet, environ, plan.scale_videos, plan.rounds, plan.seconds, going.say),
        )


@contextmanager
def databases() -> Iterator[tuple[Fleet, Backend]]:
    """Start a MongoDB and a Redis; yield a fleet for servers on them, none started, and the services to fill them."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(folder, parts=("mongo", "redis"), environ=bare()) as stack,
    ):
        services = Backend(Settings.from_env({**bare(), **stack.env}, access_token_seconds=86400.0))
        fleet = Fleet(stack.env, Path(folder))
        try:
            yield fleet, services
        finally:
            fleet.stop()
            services.close()


def in_rounds(going: Run, fleet: Fleet, services: Backend, data: World) -> tuple[list[Row], dict[str, str]]:
    """Measure the cases, all servers side by side."""
    plan = going.plan
    able = {name for name in SERVERS if not missing(SERVERS[name])} & set(plan.servers or SERVERS)
    picked = [narrow(case, able) for case in cases(data) if not plan.cases or case.name in plan.cases]
    picked = [case for case in picked if case.servers]
    fleet.start(dict.fromkeys(name for case in picked for name in case.servers))
    for case in picked:
        agree.agree(case, fleet, data)
    agree.fill_redis_floor(picked, fleet, services)
    going.say("All servers answer the same in meaning")
    found = measure(picked, fleet, data, plan.rounds, plan.seconds, going.say, going.noise)
    return compare(found), process.memory(fleet, "after the load")


def bare() -> dict[str, str]:
    """Return the environment without what would point the run at somebody's databases."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MONGO_", "REDIS_", "CLOUDINARY_"))
    }


def narrow(case: Case, able: set[str]) -> Case:
    """Return a case with those servers only that can run here."""
    return replace(case, servers=tuple(name for name in case.servers if name in able))
