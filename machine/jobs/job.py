"""What a job is: a function under `@job("type")` that takes a `Run`, its one claim, and is safe to run again.

It ends well by returning. `GiveUp` ends it badly, `Wait` puts it off, and any other exception is a failed attempt.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from machine.services import Services
from machine.write.store import Store

log = logging.getLogger(__name__)


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
