"""What runs and how it is: the parts that this process needs, those it can do without, and whether it drains."""

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from machine.declare.indexes import absent_indexes
from machine.jobs.alive_jobs import SILENT_SECONDS, seen_at

# Indexes that were there are looked for again after this many seconds; a look costs a question per collection.
INDEXES_SECONDS = 60.0
OK = "ok"
# Without one of these the API cannot serve; without the others it serves less.
NEEDED = ("mongodb", "indexes")


class Health:
    """Looks at the parts of one application."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.indexes_until = 0.0
        self.lock = threading.Lock()

    @property
    def draining(self) -> bool:
        """Tell whether this instance was asked to take no new work."""
        drain_file: str = self.app.settings.drain_file
        return bool(drain_file) and Path(drain_file).exists()

    def parts(self) -> dict[str, str]:
        """Return the state of each part: `ok`, or what is wrong in a few words."""
        parts = {"mongodb": "down", "indexes": "unknown", "redis": "down", "media": OK, "jobs": "unknown"}
        with contextlib.suppress(PyMongoError):
            self.app.services.mongo.admin.command("ping")
            parts["mongodb"] = OK
            parts["indexes"] = self.indexes()
        with contextlib.suppress(RedisError):
            self.app.services.redis.ping()
            parts["redis"] = OK
            parts["jobs"] = self.jobs()
        if self.app.services.media.breaker.wait_seconds:
            parts["media"] = "down"
        return parts

    def indexes(self) -> str:
        """Name the indexes that are missing."""
        with self.lock:
            if time.monotonic() < self.indexes_until:
                return OK
            absent = absent_indexes(self.app.store)
            if absent:
                return f"missing: {', '.join(absent)}"
            self.indexes_until = time.monotonic() + INDEXES_SECONDS
        return OK

    def jobs(self) -> str:
        """Say whether a worker and the schedule are at work."""
        seen = seen_at(self.app.store)
        if seen is None:
            return "no worker has been seen"
        silent = time.time() - seen
        return OK if silent < SILENT_SECONDS else f"no worker for {int(silent)} s"


def can_serve(parts: dict[str, str]) -> bool:
    """Tell whether what cannot be done without is there."""
    return all(parts[name] == OK for name in NEEDED)
