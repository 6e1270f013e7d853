"""The runner of jobs: claim by lease, hold by heartbeat, write only while held, back off, end with a reason."""

import logging
import os
import random
import socket
import threading
import time
from typing import Any

from bson import ObjectId
from celery.exceptions import SoftTimeLimitExceeded
from pymongo.errors import PyMongoError
from structlog.contextvars import bound_contextvars

from clients import tracing
from clients.media import MediaUnavailable
from clients.metrics import JOB_SECONDS, JOB_WAIT_SECONDS, JOBS_ENDED
from machine.jobs.job import TYPES, GiveUp, LeaseLost, Run, Wait
from machine.services import Services
from machine.write.store import Store

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0


class Heartbeat(threading.Thread):
    """Extends the lease while the work goes on."""

    def __init__(self, run: Run) -> None:
        super().__init__(name=f"heartbeat-{run.job['_id']}", daemon=True)
        self.run_ = run
        self.done = threading.Event()

    def run(self) -> None:
        """Extend until done; while the database is down, hope that it returns before the lease ends."""
        while not self.done.wait(self.run_.lease / 3):
            try:
                self.run_.extend()
            except LeaseLost:
                return
            except PyMongoError as error:
                log.warning("job %s: no heartbeat: %s", self.run_.job["_id"], error)

    def __enter__(self) -> "Heartbeat":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.join()


def run_job(job_id: ObjectId, services: Services, store: Store) -> None:
    """Run a job if it is due and nobody else has it."""
    known = services.jobs.get(job_id)
    kind = TYPES.get(known["type"]) if known else None
    if known is None or kind is None:
        log.warning("job %s: %s", job_id, "no such job" if known is None else "no such type")
        return
    worker = f"{socket.gethostname()}:{os.getpid()}"
    claimed = services.jobs.claim(job_id, worker, kind.lease or services.settings.job_lease_seconds)
    if claimed is None:
        return
    if known["state"] == "running":
        JOBS_ENDED.labels(kind.name, "abandoned").inc()
        log.warning("job %s (%s): its worker %s is silent; taken over", job_id, kind.name, known["worker"])
    run = Run(claimed, kind, services, store)
    facts = {"request_id": claimed.get("request_id"), "job": str(job_id), "type": kind.name}
    with (
        bound_contextvars(**facts),
        tracing.span(f"job {kind.name}", claimed.get("trace"), **facts) as span,
    ):
        try:
            attempt(run)
        except LeaseLost:
            run.outcome = "lost"
            log.warning("job %s: lease lost, its results are dropped", job_id)
        finally:
            note_attempt(run)
            if span is not None:
                span.set_attribute("outcome", run.outcome)


def note_attempt(run: Run) -> None:
    """Count an attempt and log what came of it."""
    seconds = time.perf_counter() - run.began
    waited = (run.claimed_at - run.due_at).total_seconds()
    JOBS_ENDED.labels(run.kind.name, run.outcome).inc()
    JOB_SECONDS.labels(run.kind.name).observe(seconds)
    JOB_WAIT_SECONDS.labels(run.kind.name).observe(max(0.0, waited))
    log.info("job %s (%s) %s after %.2f s", run.job["_id"], run.kind.name, run.outcome, seconds)


def attempt(run: Run) -> None:
    """Do the work once and decide what follows from its end."""
    try:
        if run.job["attempts"] > run.kind.attempts:
            run.fail("dead", run.job["error"] or lost_worker())
            return
        with Heartbeat(run):
            run.kind.work(run)
        if not run.ended:
            run.finish()
    except LeaseLost:
        raise
    except GiveUp as reason:
        run.fail("failed", reason.error)
    except Wait as reason:
        requeue(run, reason.seconds, waiting=True)
    except MediaUnavailable as trouble:
        # An outage is no fault of the job: it waits, and the deadline of its subject is the limit.
        error = {
            "code": "media_unavailable",
            "message": "The media store is down.",
            "detail": str(trouble)[:300],
        }
        requeue(run, max(trouble.retry_after, pause(run.job["waits"] + 1)), waiting=True, error=error)
    except (Exception, SoftTimeLimitExceeded) as error:
        log.exception("job %s (%s) failed, attempt %s", run.job["_id"], run.kind.name, run.job["attempts"])
        facts = {"code": "internal_error", "message": "Something failed on our side.", "retryable": True}
        facts["detail"] = f"{type(error).__name__}: {error}"[:300]
        if run.job["attempts"] >= run.kind.attempts:
            run.fail("dead", facts)
        else:
            requeue(run, pause(run.job["attempts"]), waiting=False, error=facts)


def end_from_outside(
    job_id: ObjectId, state: str, error: dict[str, Any], services: Services, store: Store
) -> bool:
    """End an open job now; a worker that runs it loses the lease. False when it had ended, or has no type."""
    known = services.jobs.get(job_id)
    kind = TYPES.get(known["type"]) if known else None
    seized = services.jobs.seize(job_id) if kind else None
    if kind is None or seized is None:
        return False
    Run(seized, kind, services, store).fail(state, error)
    JOBS_ENDED.labels(kind.name, state).inc()
    return True


def requeue(run: Run, seconds: float, *, waiting: bool, error: dict[str, Any] | None = None) -> None:
    """Give the job back until later."""
    if not run.services.jobs.requeue(run.job, seconds, waiting=waiting, hints=run.hints, error=error):
        raise LeaseLost
    run.outcome = "waiting" if waiting else "retried"
    if waiting and run.services.jobs.hints(run.job) > run.hints:
        run.services.jobs.announce(run.job["_id"])


def pause(tries: int) -> float:
    """Return the back-off before the next try: exponential, capped, with full jitter."""
    return random.uniform(0.2, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(tries - 1, 16)))


def lost_worker() -> dict[str, Any]:
    """Return the error of a job whose workers died each time without a word."""
    message = "Processing ended without a word each time it was tried."
    return {"code": "worker_lost", "message": message, "retryable": True}
