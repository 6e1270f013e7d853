"""The runner of jobs: claim by lease, hold by heartbeat, write only while held, back off, end with a reason.

A job is a function under `@job("type")` that takes a `Run`. It must be safe to run again from its start.
"""

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bson import ObjectId
from celery.exceptions import SoftTimeLimitExceeded
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError
from structlog.contextvars import bound_contextvars

from clients import tracing
from clients.media import MediaUnavailable
from clients.metrics import JOB_SECONDS, JOB_WAIT_SECONDS, JOBS_ENDED
from machine.services import Services
from machine.write.store import Store

log = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0


class GiveUp(Exception):
    """No further attempt can help. `code` is stable; the message is for the owner."""

    def __init__(self, code: str, message: str, retryable: bool = False) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, "retryable": retryable}


class Wait(Exception):
    """Somebody else has to do something first: look again later, which is no failed attempt."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"for {seconds:g} s")
        self.seconds = seconds


class LeaseLost(Exception):
    """Another worker has the job now; this one may write nothing more."""


@dataclass(frozen=True)
class JobType:
    """A type of job: its work, its attempts, its lease in seconds, and what to do when it ends badly."""

    name: str
    work: Callable[["Run"], None]
    attempts: int
    lease: float | None
    on_failure: Callable[["Run", dict[str, Any], ClientSession], None] | None


TYPES: dict[str, JobType] = {}
CANCELLED = {"code": "cancelled", "message": "Cancelled on request.", "retryable": True}


def job(
    name: str,
    *,
    attempts: int = 5,
    lease: float | None = None,
    on_failure: Callable[["Run", dict[str, Any], ClientSession], None] | None = None,
) -> Callable[[Callable[["Run"], None]], Callable[["Run"], None]]:
    """Register the work of a type of job. `on_failure` joins the transaction that ends it badly."""

    def register(work: Callable[["Run"], None]) -> Callable[["Run"], None]:
        TYPES[name] = JobType(name, work, attempts, lease, on_failure)
        return work

    return register


class Run:
    """One claim of one job, as its function sees it."""

    def __init__(self, claimed: dict[str, Any], kind: JobType, services: Services, store: Store) -> None:
        self.job = claimed
        self.kind = kind
        self.services = services
        self.store = store
        self.lease = kind.lease or services.settings.job_lease_seconds
        self.held_until = time.monotonic() + self.lease
        self.ended = False
        self.began = time.perf_counter()
        # What came of this attempt. The default holds for a job that is given back to be tried again.
        self.outcome = "retried"
        self.hints = services.jobs.hints(claimed)
        self.claimed_at, self.due_at = claimed["_updated"], claimed["next_retry_at"]
        self.owed: list[ObjectId] = []
        self.after_end: list[Callable[[], None]] = []

    @property
    def payload(self) -> dict[str, Any]:
        """What was recorded with the job, and what earlier steps kept."""
        payload: dict[str, Any] = self.job["payload"]
        return payload

    @property
    def subject_id(self) -> Any:
        """The id of the document that the job is about."""
        return self.job["subject"]["id"]

    def extend(self) -> None:
        """Extend the lease; LeaseLost when it is gone."""
        asked = time.monotonic()
        if not self.services.jobs.extend(self.job, self.lease):
            self.held_until = 0.0
            raise LeaseLost
        self.held_until = asked + self.lease

    def check(self) -> None:
        """Stop here when the lease is lost, also by a cancel; call it wherever work takes long."""
        if time.monotonic() > self.held_until:
            raise LeaseLost

    def progress(self, step: str, percent: int) -> None:
        """Show the owner how far we are."""
        if self.job["progress"] != {"step": step, "percent": percent}:
            self.write({"progress": {"$literal": {"step": step, "percent": percent}}})

    def keep(self, **facts: Any) -> None:
        """Keep results of a step in the payload, so that a later attempt need not repeat it."""
        self.write({f"payload.{name}": {"$literal": value} for name, value in facts.items()})

    def write(self, values: Mapping[str, Any], session: ClientSession | None = None) -> None:
        """Write to the job while we hold it; LeaseLost otherwise."""
        if not self.services.jobs.update(self.job, values, session):
            raise LeaseLost

    def commit(self, work: Callable[[ClientSession], T]) -> T:
        """Run `work(session)` in one transaction that succeeds only while we hold the job."""

        def fenced(session: ClientSession) -> T:
            self.write({"lease_until": {"$max": ["$lease_until", "$$NOW"]}}, session)
            return work(session)

        return self.store.in_transaction(fenced)

    def finish(self, work: Callable[[ClientSession], None] = lambda session: None) -> None:
        """End the job well, in one transaction with its effects."""
        self.end("succeeded", None, work)

    def end(self, state: str, error: dict[str, Any] | None, work: Callable[[ClientSession], None]) -> None:
        """End the job in one transaction with `work`, then announce the jobs that this has recorded."""

        def fenced(session: ClientSession) -> None:
            self.owed.clear()
            self.after_end.clear()
            if not self.services.jobs.end(self.job, state, error, session):
                raise LeaseLost
            work(session)

        self.store.in_transaction(fenced)
        self.ended = True
        self.outcome = state
        for job_id in self.owed:
            self.services.jobs.announce(job_id)
        for act in self.after_end:
            act()

    def fail(self, state: str, error: dict[str, Any]) -> None:
        """End the job badly, in one transaction with what its type does then."""
        log.warning("job %s (%s) is %s: %s", self.job["_id"], self.kind.name, state, error)
        on_failure = self.kind.on_failure
        self.end(state, error, lambda session: on_failure(self, error, session) if on_failure else None)

    def owe(
        self, type: str, subject: Mapping[str, Any], key: str, session: ClientSession, **more: Any
    ) -> None:
        """Record a further job in the transaction that ends this one; it is announced after the commit."""
        self.owed.append(self.services.jobs.record(type, subject, key, session=session, **more)["_id"])


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
