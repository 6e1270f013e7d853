"""Recount what a process was counting when it died: its marks are older than their end."""

from typing import Any

from machine.counters.marks import MARKS
from machine.counters.recount import SETTLE, compare, confirm, counters
from machine.jobs.periodic import every
from machine.jobs.pipelines import NOW
from machine.write.store import Store

LOT = 500


@every("sweep_seconds")
def repair_counts(store: Store, settle: float = SETTLE) -> int:
    """Recount the parents of marks that have ended; return how many counters were wrong."""
    marks = store.services.db[MARKS]
    ended = list(marks.find({"$expr": {"$lt": ["$until", NOW]}}).sort("until", 1).limit(LOT))
    by_resource: dict[str, set[Any]] = {}
    for mark in ended:
        by_resource.setdefault(mark["resource"], set()).add(mark["parent"])
    wrong, rules = 0, counters(store)
    for (resource, counter), counted in rules.items():
        ids = sorted(by_resource.get(resource, ()))
        suspects = compare(store, resource, counter, counted, ids) if ids else []
        if suspects:
            wrong += sum(1 for _ in confirm(store, resource, counter, counted, suspects, True, settle))
    for mark in ended:
        marks.delete_one({"_id": mark["_id"], "until": mark["until"]})
    return wrong
