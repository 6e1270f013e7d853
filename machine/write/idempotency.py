"""Remembers answers by Idempotency-Key, so that a request sent twice acts once (IETF draft; Stripe's semantics)."""

import contextlib
import hashlib
import json
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, PyMongoError

from clients import clock
from machine.access.sealing import seal, unseal

if TYPE_CHECKING:
    from machine.connected import Connected

COLLECTION = "idempotency_keys"
PURPOSE = "idempotent answer"
KEEP = timedelta(hours=24)
# A holder silent for this long is taken for dead. Longer than any request may take, in seconds.
LEASE = 60.0
LARGEST_ANSWER = 256 * 1024


class Running(Exception):
    """The first request with this key is still at work."""


class Reused(Exception):
    """The key came before with another request."""


@dataclass
class Held:
    """A key that this request holds until it answers. `taken_over`: its first holder died or failed on the way."""

    id: str
    holder: str
    taken_over: bool = False


@dataclass
class Stored:
    """The answer of a request that is done."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class IdempotencyKeys:
    """The records, in MongoDB; they expire after 24 hours."""

    def __init__(self, services: "Connected") -> None:
        self.records = services.db[COLLECTION]
        self.secret = services.settings.secret_key
        # Keys that could not be freed because MongoDB was away: their requests are over.
        self.owed: deque[Held] = deque(maxlen=10_000)

    def begin(
        self, scope: tuple[str, ...], fingerprint: str, holder: str, user: ObjectId | None = None
    ) -> Held | Stored:
        """Hold the key for this request of a user's, or return the stored answer. Raises Running or Reused."""
        id_, now = hashlib.sha256("\0".join(scope).encode()).hexdigest(), clock.now()
        fresh = {
            "_id": id_, "fingerprint": fingerprint, "state": "running", "holder": holder, "takeovers": 0, "user": user,
            "lease_until": now + timedelta(seconds=LEASE), "expires_at": now + KEEP,
        }  # fmt: skip
        self.pay()
        try:
            self.records.insert_one(fresh)
            return Held(id_, holder)
        except DuplicateKeyError:
            found = self.records.find_one({"_id": id_})
        except PyMongoError:  # it may have been written all the same
            self.owed.append(Held(id_, holder))
            raise
        if found is None:
            raise Running
        if found["state"] == "failed":
            return self.try_again(found, fresh)
        if found["fingerprint"] != fingerprint:
            raise Reused
        if found["state"] == "done":
            kept = json.loads(unseal(self.secret, PURPOSE, found["answer"]))
            return Stored(kept["status"], [tuple(pair) for pair in kept["headers"]], kept["body"].encode())
        return self.take_over(found, holder, now)

    def try_again(self, found: dict[str, Any], fresh: dict[str, Any]) -> Held:
        """Hold the key of a request that failed; it may have acted all the same, so its effect is looked for."""
        failed = {"_id": found["_id"], "state": "failed"}
        if not self.records.update_one(failed, {"$set": fresh}).matched_count:
            raise Running
        same = found["fingerprint"] == fresh["fingerprint"]
        return Held(found["_id"], fresh["holder"], taken_over=same)

    def take_over(self, found: dict[str, Any], holder: str, now: datetime) -> Held:
        """Hold the key of a dead holder; only one can, and only once."""
        dead = {"_id": found["_id"], "state": "running", "takeovers": 0, "lease_until": {"$lt": now}}
        claim = {"holder": holder, "takeovers": 1, "lease_until": now + timedelta(seconds=LEASE)}
        if not self.records.update_one(dead, {"$set": claim}).matched_count:
            raise Running
        return Held(found["_id"], holder, taken_over=True)

    def finish(self, held: Held, answer: Stored) -> None:
        """Keep the answer, should the request come again. It may hold a secret that is shown once, so it is sealed."""
        kept = {"status": answer.status, "headers": answer.headers, "body": answer.body.decode()}
        sealed = seal(self.secret, PURPOSE, json.dumps(kept).encode())
        mine = {"_id": held.id, "holder": held.holder}
        try:
            self.records.update_one(mine, {"$set": {"state": "done", "answer": sealed}})
        except PyMongoError:
            self.owed.append(held)
            raise

    def forget(self, held: Held) -> None:
        """Let the key go, so that the same request can be tried again; later, while MongoDB is away."""
        self.owed.append(held)
        with contextlib.suppress(PyMongoError):
            self.pay()

    def pay(self) -> None:
        """Free the keys that could not be freed before."""
        while self.owed:
            try:
                held = self.owed.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                mine = {"_id": held.id, "holder": held.holder, "state": "running"}
                self.records.update_one(mine, {"$set": {"state": "failed"}})
            except PyMongoError:
                self.owed.append(held)
                raise
