"""The ledger of jobs owed, in MongoDB: recorded once, claimed by lease, fenced, ended with a reason.

All times come from the database's clock, so that hosts need not agree on the time.
"""

import logging
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from services.breaker import Breaker
from services.broker import RUN_JOB, connect

if TYPE_CHECKING:
    from celery import Celery

    from services import Services

log = logging.getLogger(__name__)

Job = dict[str, Any]
NOW = "$$NOW"
OPEN = ["queued", "running"]
ENDED = ["succeeded", "failed", "dead", "cancelled"]
KEEP_SECONDS = 30 * 86400
INDEXES: list[tuple[list[tuple[str, int]], dict[str, Any]]] = [
    ([("key", 1)], {"unique": True}),
    ([("state", 1), ("next_retry_at", 1)], {}),
    ([("state", 1), ("lease_until", 1)], {}),
    ([("forget_at", 1)], {"expireAfterSeconds": 0}),
]


def after(seconds: float) -> dict[str, Any]:
    """Return the expression for a moment that far from the database's now."""
    return {"$dateAdd": {"startDate": NOW, "unit": "millisecond", "amount": int(seconds * 1000)}}


def write(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an update pipeline that sets expressions, and gives the document a fresh tag and date."""
    return [{"$set": {**values, "_etag": secrets.token_hex(20), "_updated": NOW}}]


def literal(value: Any) -> dict[str, Any]:
    """Protect a value from being read as an expression."""
    return {"$literal": value}


class JobLedger:
    """Records, claims and ends jobs. A claim is known by its `fence`: a later claim has a higher one."""

    def __init__(self, services: "Services") -> None:
        self.services = services
        self.breaker = Breaker(failures=1, pause_seconds=2.0)
        self._broker: Celery | None = None

    @property
    def jobs(self) -> Any:
        """The collection."""
        return self.services.db["jobs"]

    def record(
        self,
        type: str,
        subject: Mapping[str, Any],
        key: str,
        payload: Mapping[str, Any] | None = None,
        owner: ObjectId | None = None,
        due: datetime | None = None,
        session: ClientSession | None = None,
    ) -> Job:
        """Owe a job about `subject` {"resource", "id"}, once per key; call `announce` after the commit."""
        fixed = {
            "_id": ObjectId(),
            "type": type,
            "subject": dict(subject),
            "key": key,
            "payload": dict(payload or {}),
            "owner": owner,
            "state": "queued",
            "attempts": 0,
            "waits": 0,
            "fence": 0,
            "progress": {"step": "queued", "percent": 0},
            "error": None,
            "cancel_requested": False,
            "lease_until": None,
            "_etag": secrets.token_hex(20),
        }
        moving = {"_created": NOW, "_updated": NOW, "next_retry_at": literal(due) if due else NOW}
        fresh = {"$mergeObjects": [literal(fixed), moving]}
        first = {"$cond": [{"$eq": [{"$type": "$state"}, "missing"]}, fresh, "$$ROOT"]}
        job: Job = self.jobs.find_one_and_update(
            {"key": key},
            [{"$replaceWith": first}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return job

    def announce(self, job_id: ObjectId) -> bool:
        """Tell the workers, as best we can; the sweeper delivers what this could not."""
        if self.breaker.wait_seconds:
            return False
        try:
            self.broker.send_task(RUN_JOB, args=[str(job_id)], retry=False)
        except Exception as error:  # whatever the broker's client raises, the job is safe in the ledger
            self.breaker.failed()
            log.warning("job %s not announced: %s", job_id, error)
            return False
        self.breaker.worked()
        return True

    @property
    def broker(self) -> "Celery":
        """The Celery application of this process."""
        if self._broker is None:
            self._broker = connect(self.services.settings)
        return self._broker

    def get(self, job_id: ObjectId) -> Job | None:
        """Return a job as stored."""
        job: Job | None = self.jobs.find_one({"_id": job_id})
        return job

    def due(self, limit: int = 200) -> list[ObjectId]:
        """List what should be running and is not: queued and due, or running past its lease."""
        overdue = [
            {"state": "queued", "$expr": {"$lte": ["$next_retry_at", NOW]}},
            {"state": "running", "$expr": {"$lte": ["$lease_until", NOW]}},
        ]
        found = self.jobs.find({"$or": overdue}, {"_id": 1}).sort("next_retry_at", 1).limit(limit)
        return [job["_id"] for job in found]

    def claim(self, job_id: ObjectId, worker: str, lease_seconds: float) -> Job | None:
        """Take a job that is due or whose lease ran out; None when another has it or it has ended."""
        free = [
            {"state": "queued", "$expr": {"$lte": ["$next_retry_at", NOW]}},
            {"state": "running", "$expr": {"$lte": ["$lease_until", NOW]}},
        ]
        taken = {
            "state": "running",
            "attempts": {"$add": ["$attempts", 1]},
            "fence": {"$add": ["$fence", 1]},
            "lease_until": after(lease_seconds),
            "worker": literal(worker),
            "started_at": {"$ifNull": ["$started_at", NOW]},
        }
        job: Job | None = self.jobs.find_one_and_update(
            {"_id": job_id, "$or": free}, write(taken), return_document=ReturnDocument.AFTER
        )
        return job

    def update(self, job: Job, values: Mapping[str, Any], session: ClientSession | None = None) -> bool:
        """Set expressions on a job we hold; False when the lease was lost and nothing was written."""
        held = {"_id": job["_id"], "state": "running", "fence": job["fence"]}
        stored = self.jobs.find_one_and_update(
            held, write(values), return_document=ReturnDocument.AFTER, session=session
        )
        if stored is None:
            return False
        job.update(stored)
        return True

    def extend(self, job: Job, lease_seconds: float) -> bool:
        """Keep a job for longer, and learn whether its owner wants it stopped. A heartbeat: no fresh tag."""
        held = {"_id": job["_id"], "state": "running", "fence": job["fence"]}
        stored = self.jobs.find_one_and_update(
            held, [{"$set": {"lease_until": after(lease_seconds)}}], {"cancel_requested": 1}
        )
        if stored:
            job["cancel_requested"] = stored["cancel_requested"]
        return stored is not None

    def requeue(
        self, job: Job, seconds: float, *, waiting: bool, error: Mapping[str, Any] | None = None
    ) -> bool:
        """Give a job back until later. Waiting for somebody else is no failed attempt."""
        values: dict[str, Any] = {
            "state": "queued",
            "lease_until": None,
            "next_retry_at": after(seconds),
            "error": literal(dict(error) if error else None),
        }
        if waiting:
            values |= {"attempts": {"$subtract": ["$attempts", 1]}, "waits": {"$add": ["$waits", 1]}}
        return self.update(job, values)

    def end(
        self,
        job: Job,
        state: str,
        error: Mapping[str, Any] | None = None,
        session: ClientSession | None = None,
    ) -> bool:
        """End a job we hold. What succeeded is forgotten after 30 days; failures stay until dropped."""
        done = state == "succeeded"
        values: dict[str, Any] = {
            "state": state,
            "lease_until": None,
            "ended_at": NOW,
            "error": literal(dict(error) if error else None),
            "forget_at": after(KEEP_SECONDS) if done else None,
        }
        if done:
            values["progress"] = literal({"step": "done", "percent": 100})
        return self.update(job, values, session)

    def hasten(self, key: str) -> ObjectId | None:
        """Make a waiting job due now, and say which; None when there is none."""
        job = self.jobs.find_one_and_update(
            {"key": key, "state": {"$in": OPEN}}, write({"next_retry_at": NOW, "hinted": True})
        )
        return job["_id"] if job else None

    def cancel(self, job_id: ObjectId) -> Job | None:
        """Ask for a job's end; the worker that has it, or the next one, cleans up. None when it has ended."""
        asked = {"cancel_requested": True, "next_retry_at": NOW}
        job: Job | None = self.jobs.find_one_and_update(
            {"_id": job_id, "state": {"$in": OPEN}}, write(asked), return_document=ReturnDocument.AFTER
        )
        return job

    def retry(self, job_id: ObjectId, session: ClientSession | None = None) -> Job | None:
        """Owe an ended job again, from its first attempt; None unless it failed, died or was cancelled."""
        again = {
            "state": "queued",
            "attempts": 0,
            "waits": 0,
            "cancel_requested": False,
            "next_retry_at": NOW,
            "error": None,
            "progress": literal({"step": "queued", "percent": 0}),
        }
        job: Job | None = self.jobs.find_one_and_update(
            {"_id": job_id, "state": {"$in": ["failed", "dead", "cancelled"]}},
            write(again),
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return job

    def drop(self, job_id: ObjectId) -> bool:
        """Forget a job that has ended."""
        return bool(self.jobs.delete_one({"_id": job_id, "state": {"$in": ENDED}}).deleted_count)
