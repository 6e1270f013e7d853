"""A worker with jobs made for tests: `celery -A tests.faults.pipeline_worker worker`."""

import os
import time

from machine.jobs.job import job
from tasks.app import app  # noqa: F401  the application that celery looks for


@job("test_count", attempts=50, lease=2.0)
def count(run):
    """Take a moment, then count once, together with the job's end."""
    time.sleep(0.2)
    run.finish(
        lambda session: (
            run.services.db.test_counts.update_one(
                {"_id": run.payload["n"]}, {"$inc": {"times": 1}}, upsert=True, session=session
            )
            and None
        )
    )


@job("test_poison", attempts=3, lease=1.0)
def poison(run):
    """Kill the process that runs it, without a word."""
    run.services.db.test_counts.update_one({"_id": "poison"}, {"$inc": {"times": 1}}, upsert=True)
    os._exit(1)
