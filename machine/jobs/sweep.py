"""The sweep: every few seconds, send again what is due or lost, and end what has outlived its time."""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

from pymongo.errors import ConnectionFailure

from clients import clock
from machine.jobs.job import TYPES
from machine.jobs.runner import end_from_outside
from machine.services import Services
from machine.write.purge_jobs import purge_key
from machine.write.store import Store

log = logging.getLogger(__name__)
T = TypeVar("T")
TIMEOUT = {
    "code": "timeout",
    "message": "It took longer than allowed. Upload the file again, or try later.",
    "retryable": True,
}
BATCH = 200


Step = Callable[[Services, Store], object]
STEPS: list[Step] = []


def step(work: Step) -> Step:
    """Register what each sweep does; it must be safe to run by several at once."""
    STEPS.append(work)
    return work


def sweep(services: Services, store: Store) -> None:
    """Do everything that is due."""
    for work in STEPS:
        try:
            work(services, store)
        except Exception:  # one step's trouble must not keep the others from their work
            log.exception("sweep: %s failed", work.__name__)


def for_each(items: Iterable[T], act: Callable[[T], object]) -> None:
    """Act on each; one that fails must not keep the others from their turn, sweep after sweep."""
    for item in items:
        try:
            act(item)
        except ConnectionFailure:  # the others would fail too, after as long a wait each
            raise
        except Exception:
            log.exception("sweep: %s", item)


@step
def announce_due(services: Services, store: Store) -> None:
    """Send what should be running and is not."""
    sent = []
    for job_id in services.jobs.due(types=TYPES):
        if not services.jobs.announce(job_id):
            break
        sent.append(job_id)
    if sent:
        services.jobs.note_sent(sent)


@step
def end_overdue_jobs(services: Services, store: Store) -> None:
    """End jobs past their deadline, with what their type does then."""
    for_each(
        services.jobs.overdue(TYPES),
        lambda job_id: end_from_outside(job_id, "failed", TIMEOUT, services, store),
    )


@step
def end_overdue_states(services: Services, store: Store) -> None:
    """End every state that has lasted past its deadline, when nothing else has ended it."""
    late = clock.now() - timedelta(seconds=2 * services.settings.sweep_seconds)
    for resource in store.registry:
        for field, states in resource.states.items():
            for state, rule in states.deadlines.items():
                match = {field: state, f"{field}_deadline": {"$lt": late}}
                for document in store.collection(resource.name).find(match, {"_id": 1}).limit(BATCH):
                    told = {
                        **TIMEOUT,
                        "code": rule["code"],
                        "retryable": False,
                        "since": clock.second(),
                        "deadline": None,
                    }
                    values = {f"{field}_detail": told, **dict.fromkeys(rule.get("clears", ()))}
                    store.move(
                        resource.name, {**match, "_id": document["_id"]}, field, rule["then"], set=values
                    )


@step
def owe_purges(services: Services, store: Store) -> None:
    """Record the purge of what was deleted long enough ago; a batch at most, of what has no such job yet."""
    for resource in store.registry:
        if not resource.keep_deleted:
            continue
        kept = timedelta(seconds=getattr(services.settings, resource.keep_deleted))
        gone = {"deleted_at": {"$ne": None, "$lt": clock.now() - kept}}
        found = store.collection(resource.name).find(gone, {"deleted_at": 1}).sort("deleted_at", 1)
        for document in islice(not_owed(services, resource.name, found), BATCH):
            subject = {"resource": resource.name, "id": document["_id"]}
            payload = {"deleted_at": document["deleted_at"]}
            services.jobs.record("purge", subject, purge_key(resource.name, document), payload)


def not_owed(services: Services, resource: str, found: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the documents without a purge: those whose purge waits or is dead must not hide the others."""
    rest = iter(found)
    while lot := list(islice(rest, 5 * BATCH)):
        known = services.jobs.known(purge_key(resource, document) for document in lot)
        yield from (document for document in lot if purge_key(resource, document) not in known)
