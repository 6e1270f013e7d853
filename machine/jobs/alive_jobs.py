"""Show that beat and a worker are at work: one note every few seconds, which health checks and alerts read."""

import time
from typing import Any

from machine.jobs.periodic import every
from machine.write.store import Store

# Seconds that a worker may be silent before it counts as gone: several intervals, and a start.
SILENT_SECONDS = 60
# The Redis key under which a worker notes the time, in Unix seconds.
WORKER_SEEN = "worker:seen"
FORGET_SECONDS = 86400


@every("sweep_seconds")
def note_alive(store: Store) -> None:
    """Note that the schedule called and a worker came."""
    store.services.redis.set(WORKER_SEEN, repr(time.time()), ex=FORGET_SECONDS)


def seen_at(store: Store) -> float | None:
    """Return when a worker was last seen, in Unix seconds; None if not within a day."""
    noted: Any = store.services.redis.get(WORKER_SEEN)
    return float(noted) if noted else None
