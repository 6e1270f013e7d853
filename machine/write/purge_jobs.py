"""Purge what was deleted and not restored in time; the same transaction records the jobs that clean up elsewhere."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from pymongo.client_session import ClientSession

from machine.jobs.job import GiveUp, Run, job

Owe = Callable[[Run, dict[str, Any], ClientSession], None]
# By resource: functions that record the jobs for what a purged document has outside the database.
LEFT_ELSEWHERE: dict[str, list[Owe]] = defaultdict(list)


def on_purge(resource: str) -> Callable[[Owe], Owe]:
    """Register what records, in the transaction of a purge, the jobs that remove what a document has elsewhere."""

    def register(owe: Owe) -> Owe:
        LEFT_ELSEWHERE[resource].append(owe)
        return owe

    return register


def purge_key(resource: str, document: dict[str, Any]) -> str:
    """Return the key of the job that purges one deletion: what was restored may be deleted again."""
    return f"purge:{resource}:{document['_id']}:{document['deleted_at']:%Y%m%d%H%M%S%f}"


@job("purge", attempts=8)
def purge(run: Run) -> None:
    """Erase one document for good, in one transaction with the jobs that clean up after it."""
    resource = run.job["subject"]["resource"]
    document = run.store.get(resource, run.subject_id)
    if document is None:
        return
    deleted_at = document.get("deleted_at")
    # Restored and deleted again: the later deletion has a purge and a time of its own.
    if not deleted_at or deleted_at != run.payload.get("deleted_at", deleted_at):
        raise GiveUp("restored", "It was restored in the meantime.")

    def erase(session: ClientSession) -> None:
        for owe in LEFT_ELSEWHERE[resource]:
            owe(run, document, session)
        if not run.store.erase(resource, document, session):
            raise RuntimeError("changed since it was read")

    run.finish(erase)
