"""Recount every counter because an administrator asked for it; the job keeps the findings."""

import secrets
from dataclasses import asdict
from typing import Any

from bson import ObjectId

from machine.counters.recount import verify
from machine.jobs.job import Run, job
from machine.jobs.pipelines import literal
from machine.write.store import Store

# At most this many drifts are listed; all are counted.
MOST_LISTED = 100


def owe_recount(store: Store, asked_by: ObjectId, fix: bool) -> dict[str, Any]:
    """Record a job that recounts, and return it."""
    nothing = {"resource": None, "id": None}
    key = f"recount:{secrets.token_hex(12)}"
    return store.services.jobs.owe("recount", nothing, key, {"fix": fix}, owner=asked_by)


@job("recount", attempts=3)
def recount(run: Run) -> None:
    """Hold every counter against what it counts; with `fix`, repair each that is wrong."""
    wrong = fixed = 0
    listed: list[dict[str, Any]] = []
    for drift in verify(run.store, fix=bool(run.payload.get("fix")), check=run.check):
        wrong += 1
        fixed += bool(drift.fixed)
        if len(listed) < MOST_LISTED:
            facts = asdict(drift)
            facts.pop("revision")
            listed.append(facts)
    run.write({"result": literal({"wrong": wrong, "fixed": fixed, "drifts": listed})})
