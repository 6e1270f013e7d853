"""Hold every counter against what it counts, once a day, and tell the metrics how many are wrong."""

import logging

from policy.recount import verify
from policy.store import Store
from services.metrics import DRIFTS, VERIFIED
from tasks.periodic import every

log = logging.getLogger(__name__)


@every("verify_seconds")
def verify_counters(store: Store) -> int:
    """Count the counters that are wrong; repairing them is for a person to ask for."""
    wrong = 0
    for drift in verify(store):
        wrong += 1
        log.warning(
            "counter %s of %s/%s says %s, counted %s",
            drift.counter, drift.resource, drift.id, drift.stored, drift.counted,
        )  # fmt: skip
    DRIFTS.set(wrong)
    VERIFIED.set_to_current_time()
    return wrong
