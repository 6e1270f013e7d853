"""The ledger of jobs, in MongoDB: each is recorded once, claimed by lease, fenced, and ended with a reason.

All times come from the database's clock, so that hosts need not agree on the time.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from clients.breaker import Breaker
from clients.broker import RUN_JOB, connect
from machine.jobs.pipelines import NOW, add_seconds, after, literal, told, unless_known, write

if TYPE_CHECKING:
    from celery import Celery

    from machine.connected import Connected

log = logging.getLogger(__name__)

Job = dict[str, Any]
OPEN = ["queued", "running"]
ENDED = ["succeeded", "failed", "dead", "cancelled"]
KEEP_SECONDS = 30 * 86400
# A message not taken by then is dropped, and sent again while its job is due: queues stay short.
MESSAGE_SECONDS = 120
RESEND_SECONDS = 30


class JobLedger:
    """Records, claims and ends jobs. A claim is known by its `fence`: a later claim has a higher one."""

    def __init__(self, services: "Connected") -> None:
        self.services = services
        self.breaker = Breaker(failures=1, pause_seconds=2.0, part="broker")
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
        deadline_seconds: float | None = None,
    ) -> Job:
        """Record a job about `subject` {"resource", "id"}, once per key; call `announce` after the commit."""
        fixed = {
            "type": type,
            "subject": dict(subject),
            "key": key,
            "payload": dict(payload or {}),
            "owner": owner,
            "deadline_seconds": deadline_seconds,
        }
        job: Job = self.jobs.find_one_and_update(
            {"key": key},
            unless_known(fixed, due),
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return job

    def owe(self, *facts: Any, **more: Any) -> Job:
        """Record a job that belongs to no transaction, see `record`, and announce it."""
        job = self.record(*facts, **more)
        self.announce(job["_id"])
        return job

    def announce(self, job_id: ObjectId) -> bool:
        """Tell the workers, as best we can; the sweeper delivers what this could not."""
        if self.breaker.wait_seconds:
            return False
        try:
            self.broker.send_task(RUN_JOB, args=[str(job_id)], retry=False, expires=MESSAGE_SECONDS)
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
            self._broker = connect(
                self.services.settings, patience=2 * self.services.settings.redis_timeout_seconds
            )
        return self._broker

    def get(self, job_id: ObjectId) -> Job | None:
        """Return a job as stored."""
        job: Job | None = self.jobs.find_one({"_id": job_id})
        return job

    def known(self, keys: Iterable[str]) -> set[str]:
        """Return those of the keys under which a job is recorded, whatever became of it."""
        return {job["key"] for job in self.jobs.find({"key": {"$in": list(keys)}}, {"key": 1, "_id": 0})}

    def find(self, match: Mapping[str, Any], limit: int) -> list[Job]:
        """List jobs, newest first."""
        return list(self.jobs.find(dict(match)).sort("_id", -1).limit(limit))

    def counts(self) -> dict[str, int]:
        """Count the jobs by state."""
        groups = self.jobs.aggregate([{"$group": {"_id": "$state", "count": {"$sum": 1}}}])
        return {group["_id"]: group["count"] for group in groups}

    def due(
        self, limit: int = 200, resend_seconds: float = RESEND_SECONDS, types: Iterable[str] | None = None
    ) -> list[ObjectId]:
        """List what should be running and is not, unless it was sent a moment ago: due, or past its lease.

        With `types` none but these: those of a newer version are for its own workers to send.
        """
        quiet = [{"$eq": ["$sent_at", None]}, {"$lte": ["$sent_at", after(-resend_seconds)]}]
        # A message that was sent before the lease ended went to the worker that let it end.
        lost = [*quiet, {"$lt": ["$sent_at", "$lease_until"]}]
        overdue = [
            {"state": "queued", "$expr": {"$and": [{"$lte": ["$next_retry_at", NOW]}, {"$or": quiet}]}},
            {"state": "running", "$expr": {"$and": [{"$lte": ["$lease_until", NOW]}, {"$or": lost}]}},
        ]
        match = {"$or": overdue, **({} if types is None else {"type": {"$in": sorted(types)}})}
        found = self.jobs.find(match, {"_id": 1}).sort("next_retry_at", 1).limit(limit)
        return [job["_id"] for job in found]

    def note_sent(self, job_ids: list[ObjectId]) -> None:
        """Note that these were just announced."""
        self.jobs.update_many({"_id": {"$in": job_ids}}, [{"$set": {"sent_at": NOW}}])

    def overdue(self, types: Iterable[str], limit: int = 200) -> list[ObjectId]:
        """List the open jobs of these types that have outlived their deadline."""
        late = {
            "state": {"$in": OPEN},
            "type": {"$in": sorted(types)},
            "deadline_at": {"$ne": None},
            "$expr": {"$lte": ["$deadline_at", NOW]},
        }
        return [job["_id"] for job in self.jobs.find(late, {"_id": 1}).limit(limit)]

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

    def forget_about(self, resource: str, id_: ObjectId, but: ObjectId) -> int:
        """Delete every job about a document but one, whatever its state; who runs one loses the lease."""
        about = {"subject.resource": resource, "subject.id": id_, "_id": {"$ne": but}}
        return int(self.jobs.delete_many(about).deleted_count)

    def extend(self, job: Job, lease_seconds: float) -> bool:
        """Keep a job for longer; False when it is no longer ours. A heartbeat: no fresh tag."""
        held = {"_id": job["_id"], "state": "running", "fence": job["fence"]}
        kept = self.jobs.update_one(held, [{"$set": {"lease_until": after(lease_seconds)}}])
        return bool(kept.matched_count)

    def requeue(
        self,
        job: Job,
        seconds: float,
        *,
        waiting: bool,
        hints: int = 0,
        error: Mapping[str, Any] | None = None,
    ) -> bool:
        """Give a job back until later, or now if more than `hints` came. Waiting is no failed attempt."""
        news = {"$gt": [{"$ifNull": ["$hints", 0]}, hints]}
        values: dict[str, Any] = {
            "state": "queued",
            "lease_until": None,
            "next_retry_at": {"$cond": [news, NOW, after(seconds)]} if waiting else after(seconds),
            "sent_at": None,
            **told(error),
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
            **told(error),
            "forget_at": after(KEEP_SECONDS) if done else None,
        }
        if done:
            values["progress"] = literal({"step": "done", "percent": 100})
        return self.update(job, values, session)

    def hasten(self, key: str, broken: Iterable[str] = ()) -> ObjectId | None:
        """Make a waiting job due now, and say which; `broken` names work that is said to have failed."""
        hint: dict[str, Any] = {
            "next_retry_at": NOW,
            "sent_at": None,
            "hints": {"$add": [{"$ifNull": ["$hints", 0]}, 1]},
        }
        if broken:
            hint["payload.broken"] = literal(list(broken))
        job = self.jobs.find_one_and_update({"key": key, "state": {"$in": OPEN}}, write(hint))
        return job["_id"] if job else None

    def hints(self, job: Job) -> int:
        """Return how often somebody hastened the job."""
        count: int = job.get("hints", 0)
        return count

    def seize(self, job_id: ObjectId, lease_seconds: float = 30.0) -> Job | None:
        """Take an open job away from the worker that has it, in order to end it; None when it has ended."""
        taken = {"state": "running", "fence": {"$add": ["$fence", 1]}, "lease_until": after(lease_seconds)}
        job: Job | None = self.jobs.find_one_and_update(
            {"_id": job_id, "state": {"$in": OPEN}}, write(taken), return_document=ReturnDocument.AFTER
        )
        return job

    def retry(self, job_id: ObjectId, session: ClientSession | None = None) -> Job | None:
        """Let an ended job run again, from its first attempt; None unless it failed, died or was cancelled."""
        again = {
            "state": "queued",
            "attempts": 0,
            "waits": 0,
            "next_retry_at": NOW,
            "sent_at": None,
            "deadline_at": {
                "$cond": ["$deadline_seconds", add_seconds("$deadline_seconds"), None],
            },
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
