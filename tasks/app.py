"""The Celery application of workers and beat: `celery -A tasks.app worker` and `celery -A tasks.app beat`."""

import logging
import os
from functools import cache

from bson import ObjectId
from celery import signals

import tasks.all  # noqa: F401  registers every job and tick
from clients import log, metrics, tracing
from clients.broker import RUN_JOB, connect
from features.backend import Backend
from machine.declare.registry import Registry
from machine.jobs.periodic import TICKS, Tick
from machine.jobs.runner import run_job
from machine.jobs.sweep import sweep
from machine.write.store import Store
from settings import Settings

# A killed beat keeps its successor waiting for as long as this.
LOCK_SECONDS = 15
settings = Settings.from_env()
app = connect(settings)
app.set_default()
app.conf.update(
    beat_scheduler="clients.schedule:SteadyScheduler",
    redbeat_redis_url=settings.redis_url,
    redbeat_key_prefix="marquee:beat:",
    # An outage is waited out.
    redbeat_redis_options={"retry_period": -1, "socket_timeout": 5.0},
    redbeat_lock_timeout=LOCK_SECONDS,
    beat_max_loop_interval=min(5.0, settings.sweep_seconds),
    # Our own logs write to stderr; Celery would turn that into log lines.
    worker_redirect_stdouts=False,
    beat_schedule={"sweep": {"task": "marquee.sweep", "schedule": settings.sweep_seconds}},
)


# The first of the two comes before the worker warns of root, the second is for beat.
@signals.celeryd_init.connect
@signals.setup_logging.connect
def configure_logs(**facts: object) -> None:
    """Log as the API does. Celery leaves the logs alone where somebody answers this signal."""
    log.configure(settings)
    logging.captureWarnings(True)


@signals.worker_process_init.connect
def start_traces(**facts: object) -> None:
    """Trace in each process of the worker: the exporter's thread does not survive a fork."""
    tracing.start(settings, "worker")


@signals.worker_ready.connect
def serve_metrics(**facts: object) -> None:
    """Serve the metrics where the worker shares no folder with an API."""
    if settings.worker_metrics_port:
        metrics.serve(settings.worker_metrics_port)


@cache
def store_of(pid: int) -> Store:
    """Return the store of this process; clients are built after the fork, never carried over it."""
    return Store(Backend(settings), Registry.load())


@app.task(name=RUN_JOB)
def run_job_task(job_id: str) -> None:
    """Run one job by its id."""
    store = store_of(os.getpid())
    run_job(ObjectId(job_id), store.services, store)


# A sweep that waited too long in the queue is worthless: the next one is already there.
@app.task(name="marquee.sweep", expires=max(10.0, settings.sweep_seconds * 2))
def sweep_task() -> None:
    """Look for what is due, lost or overdue."""
    store = store_of(os.getpid())
    sweep(store.services, store)


def schedule(tick: Tick) -> None:
    """Let beat call a tick at its interval; one that waited too long in the queue is dropped."""
    seconds = tick.seconds(settings)

    @app.task(name=f"marquee.{tick.name}", expires=max(10.0, seconds * 2))
    def run_tick() -> None:
        tick.work(store_of(os.getpid()))

    app.conf.beat_schedule[tick.name] = {"task": run_tick.name, "schedule": seconds}


for one in TICKS.values():
    schedule(one)
