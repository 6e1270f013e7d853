"""Whether a session or API key is still good and what its user may do now: Redis first, MongoDB the truth.

Redis holds short-lived copies, read with one MGET. A change writes MongoDB, then overwrites the copies, so
that every process refuses at once. A copy is only ever filled where there is none (SET NX): a reader that is
late cannot undo a revocation. Without Redis each check reads MongoDB.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import orjson
import redis
from bson import ObjectId

from clients import clock
from clients.breaker import Breaker
from clients.owed import Owed
from machine.access.claims import Grant, UserState

if TYPE_CHECKING:
    from machine.connected import Connected

COPY_SECONDS = 30
CHANGING_SECONDS = 5
BREAK_SECONDS = 5.0
# Marks owed while Redis is away; a mark that is lost beyond this many counts once the copies have ended.
MOST_OWED = 10_000
GOOD, ENDED, CHANGING = b"1", b"0", b"?"


class Liveness:
    """Answers for sessions, API keys (both are grants) and users."""

    def __init__(self, services: "Connected", ended_seconds: float) -> None:
        self.services = services
        self.ended_seconds = int(ended_seconds) + COPY_SECONDS
        self.breaker = Breaker(failures=1, pause_seconds=BREAK_SECONDS, part="revocations")
        # Marks that Redis did not take while it was away: key to (value, seconds).
        self.owed: Owed[str, tuple[bytes, int]] = Owed(MOST_OWED)

    def check(self, kind: str, grant: ObjectId, user: ObjectId) -> UserState | None:
        """Return the user's state if the grant (`sessions` or `api_keys`) is good, else None."""
        grant_copy, user_copy = self.copies(f"auth:g:{grant}", f"auth:u:{user}")
        if grant_copy == ENDED:
            return None
        if grant_copy != GOOD and not self.look_up_grant(kind, grant, fill=grant_copy is None):
            return None
        if user_copy is None or user_copy == CHANGING:
            return self.look_up_user(user, fill=user_copy is None)
        return UserState(*orjson.loads(user_copy))

    def check_many(self, grants: Collection[Grant]) -> dict[Grant, UserState]:
        """Return what `check` says of each that is good: one round trip, and two queries for what has no copy."""
        ids, users = list({one.id for one in grants}), list({one.user for one in grants})
        if not ids:
            return {}
        copies = self.copies(*(f"auth:g:{one}" for one in ids), *(f"auth:u:{one}" for one in users))
        known = dict(zip(ids, copies, strict=False))
        states = dict(zip(users, copies[len(ids) :], strict=True))
        unsure = [one for one in set(grants) if known[one.id] not in (GOOD, ENDED)]
        good = {one for one in ids if known[one] == GOOD} | self.look_up_grants(unsure, known)
        read = {
            user: UserState(*orjson.loads(copy))
            for user, copy in states.items()
            if copy not in (None, CHANGING)
        }
        read |= self.look_up_users([user for user in users if user not in read], states)
        return {one: read[one.user] for one in grants if one.id in good and one.user in read}

    def end_grants(self, grants: list[ObjectId]) -> None:
        """Refuse these sessions or keys from now on, everywhere. Call it after MongoDB knows."""
        self.mark({f"auth:g:{grant}": (ENDED, self.ended_seconds) for grant in grants})

    def change_user(self, user: ObjectId) -> None:
        """Make every process read this user again. Call it after MongoDB knows."""
        self.mark({f"auth:u:{user}": (CHANGING, CHANGING_SECONDS)})

    def copies(self, *names: str) -> list[bytes | None]:
        """Read the copies in one round trip; none when Redis is away."""
        if self.breaker.wait_seconds:
            return [None] * len(names)
        try:
            if self.owed:
                self.pay()
            roundtrip = self.services.cache.roundtrip
            found: list[bytes | None] = roundtrip.ask(roundtrip.pack("MGET", *names))
        except redis.RedisError:
            self.breaker.failed()
            return [None] * len(names)
        return found

    def mark(self, marks: dict[str, tuple[bytes, int]]) -> None:
        """Write marks over the copies; what Redis does not take is sent later."""
        self.owed.owe(marks)
        try:
            self.pay()
        except redis.RedisError:
            self.breaker.failed()

    def pay(self) -> None:
        """Write the marks that Redis has not taken yet, in one round trip."""
        lot = self.owed.due()
        with self.services.redis.pipeline(transaction=False) as pipe:
            for name, (_, (value, seconds)) in lot.items():
                pipe.set(name, value, ex=seconds)
            pipe.execute()
        self.owed.paid(lot)

    def fill(self, name: str, value: bytes, seconds: int = COPY_SECONDS) -> None:
        """Keep a copy unless there is one already."""
        if self.breaker.wait_seconds:
            return
        try:
            self.services.redis.set(name, value, ex=seconds, nx=True)
        except redis.RedisError:
            self.breaker.failed()

    def look_up_grant(self, kind: str, grant: ObjectId, fill: bool) -> bool:
        """Ask MongoDB whether the session or key is there and has not expired."""
        found = self.services.db[kind].find_one({"_id": grant}, {"expires_at": 1})
        return self.judge(grant, found, fill)

    def judge(self, grant: ObjectId, found: Mapping[str, Any] | None, fill: bool) -> bool:
        """Tell whether a session or key, as MongoDB has it, is good; keep a copy of that."""
        good = found is not None and not has_expired(found)
        if fill:
            self.fill(
                f"auth:g:{grant}", GOOD if good else ENDED, seconds_left(found) if good else COPY_SECONDS
            )
        return good

    def look_up_grants(
        self, grants: Collection[Grant], copies: Mapping[ObjectId, bytes | None]
    ) -> set[ObjectId]:
        """Ask MongoDB which of these are good, in one query for each kind."""
        good: set[ObjectId] = set()
        for kind in {one.kind for one in grants}:
            ids = [one.id for one in grants if one.kind == kind]
            found = {
                one["_id"]: one
                for one in self.services.db[kind].find({"_id": {"$in": ids}}, {"expires_at": 1})
            }
            good |= {id_ for id_ in ids if self.judge(id_, found.get(id_), fill=copies[id_] is None)}
        return good

    def look_up_user(self, user: ObjectId, fill: bool) -> UserState | None:
        """Ask MongoDB what the user may do now; None if there is no such user."""
        return self.look_up_users([user], {user: None if fill else CHANGING}).get(user)

    def look_up_users(
        self, users: Collection[ObjectId], copies: Mapping[ObjectId, bytes | None]
    ) -> dict[ObjectId, UserState]:
        """Ask MongoDB what these may do now; a copy is kept where there was none."""
        if not users:
            return {}
        fields = {"role": 1, "status": 1, "username": 1}
        found = self.services.db["users"].find({"_id": {"$in": list(users)}}, fields)
        return {one["_id"]: self.state_of(one, fill=copies[one["_id"]] is None) for one in found}

    def state_of(self, found: Mapping[str, Any], fill: bool) -> UserState:
        """Return what counts of a user, as MongoDB has it."""
        state = UserState(
            found.get("role", "user"), found.get("username", ""), found.get("status") == "active"
        )
        if fill:
            self.fill(f"auth:u:{found['_id']}", orjson.dumps([state.role, state.username, state.active]))
        return state


def seconds_left(document: Mapping[str, Any] | None) -> int:
    """Return for how long a copy of a session or key may be kept: about as long as that lives, by whole seconds."""
    ends = (document or {}).get("expires_at")
    if ends is None:
        return COPY_SECONDS
    left = int((ends - clock.now()).total_seconds())
    return min(COPY_SECONDS, max(1, left))


def has_expired(document: Mapping[str, Any]) -> bool:
    """Tell whether the document's time is over; one without `expires_at` has no end."""
    expires_at = document.get("expires_at")
    return expires_at is not None and expires_at <= clock.now()
