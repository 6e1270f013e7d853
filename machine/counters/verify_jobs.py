"""Compare every counter with what it counts, once a day; repair and report those that are wrong."""

import logging

from clients.metrics import DRIFTS, VERIFIED
from machine.counters.recount import verify
from machine.jobs.periodic import every
from machine.write.store import Store

log = logging.getLogger(__name__)


@every("verify_seconds")
def verify_counters(store: Store) -> int:
    """Count the counters that are wrong, and repair them; each is logged, since marks should have led to it before."""
    wrong = 0
    for drift in verify(store, fix=True):
        wrong += 1
        log.warning(
            "counter %s of %s/%s says %s, counted %s; %s",
            drift.counter, drift.resource, drift.id, drift.stored, drift.counted,
            "repaired" if drift.fixed else "still changing",
        )  # fmt: skip
    DRIFTS.set(wrong)
    VERIFIED.set_to_current_time()
    return wrong
