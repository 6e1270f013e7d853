"""Any process may be killed: nothing that was acknowledged is lost."""

import os
import signal
import subprocess
import sys
import tempfile
import time

from tests.features.views.flusher import IN_THE_WAY, STEPS
from tests.platform import ROOT, poll
from tests.prove.fault import Fault, ages, falls, not_scraped, rises, suffer
from tests.prove.traffic import Traffic
from tests.prove.world import World, children

TAKEN_OVER = rises("marquee_job_attempts_total", outcome="abandoned")


def run(quick):
    with tempfile.TemporaryDirectory() as folder, World(folder) as world:
        # What a dead client's transaction holds stands in the way until MongoDB ends it.
        world.services.mongo.admin.command({"setParameter": 1, "transactionLifetimeLimitSeconds": 3})
        with Traffic(world) as traffic:
            chosen = faults(world, 1 if quick else 2)
            return [suffer(world, traffic, fault) for fault in chosen if not quick or fault.promise in QUICK]


QUICK = (
    "A killed API instance loses nothing",
    "A killed worker loses no job",
    "A killed mongod loses nothing",
)


def faults(world, times):
    """List the kills. A supervisor starts again what has ended; here that is us, after the hold."""
    stack = world.stack

    def part(promise, name, log, metric, **more):
        return Fault(promise, f"kill -9 of {more.pop('what', name)}", lambda: stack.kill(name),
                     lambda: stack.restart(name), log, metric, times=times, **more)  # fmt: skip

    return [
        part(
            "A killed API instance loses nothing",
            "api2",
            "Started worker-1",
            not_scraped(1),
            breaks=True,
            what="one of two API instances",
        ),  # fmt: skip
        Fault(
            "A killed API process is replaced by its parent",
            "kill -9 of the process that serves",
            lambda: os.kill(children(world.pid("api"))[0], signal.SIGKILL),
            lambda: None,
            "(?i)unexpected exit|respawn",
            lambda world, before: True,
            breaks=True,
            times=times,
        ),  # fmt: skip
        Fault(
            "A killed worker loses no job",
            "kill -9 of a worker with a job in hand",
            lambda: kill_worker(world),
            lambda: None,
            "is silent",
            TAKEN_OVER,
            hold=1.0,
            times=times,
        ),  # fmt: skip
        Fault(
            "A killed pool process loses no job",
            "kill -9 of the process that runs a job",
            lambda: kill_busy_child(world),
            lambda: None,
            "signal 9|is silent",
            TAKEN_OVER,
            times=times,
        ),  # fmt: skip
        part(
            "A killed beat only delays",
            "beat",
            "beat: Starting",
            ages("marquee_worker_seen_timestamp_seconds", 3),
            hold=12.0,
        ),  # fmt: skip
        Fault(
            "A flusher of views may die at each of its steps",
            "kill -9 after each of its 5 steps",
            lambda: kill_flushers(world),
            lambda: None,
            "flush_views",
            lambda world, before: True,
            hold=0.5,
            times=times,
        ),  # fmt: skip
        part(
            "A killed local Cloudinary loses no film",
            "cloudinary",
            "waiting",
            rises("marquee_job_attempts_total", outcome="waiting"),
            hold=4.0,
        ),  # fmt: skip
        part(
            "A killed Valkey loses nothing",
            "redis",
            "views_paused|not announced",
            falls("marquee_part_up", part="redis"),
            hold=6.0,
            what="Valkey",
        ),  # fmt: skip
        part(
            "A killed mongod loses nothing",
            "mongo",
            "request_failed",
            falls("marquee_part_up", part="mongodb"),
            hold=6.0,
            what="the only mongod",
        ),  # fmt: skip
    ]


def kill_worker(world):
    """Kill the worker whose process runs a job, and that process with it."""
    child = hold_busy_child(world)
    name = next(name for name in ("worker", "worker2") if child in children(world.pid(name)))
    world.stack.kill(name)


def kill_busy_child(world):
    """Kill the process that runs a job."""
    os.kill(hold_busy_child(world), signal.SIGKILL)


def hold_busy_child(world):
    """Return the process that runs a job, stopped, so that the job cannot end before its process does."""

    def held():
        job = world.db.jobs.find_one({"state": "running", "type": "process"})
        if job is None:
            return None
        child = int(job["worker"].rpartition(":")[2])
        try:
            os.kill(child, signal.SIGSTOP)
        except ProcessLookupError:
            return None
        # What it had already sent takes its moment to arrive.
        time.sleep(0.05)
        same = {"_id": job["_id"], "state": "running", "worker": job["worker"]}
        if world.db.jobs.find_one(same):
            return child
        os.kill(child, signal.SIGCONT)
        return None

    return poll(held, 60, "a job in hand")


def kill_flushers(world):
    """Let a flusher die after each of its steps."""
    for step in STEPS:
        command = [sys.executable, "-m", "tests.features.views.flusher", step]
        ended = subprocess.run(command, cwd=ROOT, env=world.environ, capture_output=True, check=False)
        assert ended.returncode in (0, IN_THE_WAY, -signal.SIGKILL), ended.stderr.decode()
