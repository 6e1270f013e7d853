"""Sessions: each has one family of refresh tokens, of which exactly one is current.

A refresh token is 256 random bits, stored hashed, exchanged by one compare-and-swap (RFC 9700, 4.14.2). A
used one that comes back after the grace is in two hands: the whole family ends. Writes to the resource go
through the store that the caller hands in.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Protocol

from bson import ObjectId

from services.sealing import digest

if TYPE_CHECKING:
    from services.base import Connected

REFRESH_TOKENS = "refresh_tokens"
PREFIX = "mqr_"
SHAPE = re.compile(r"mqr_[A-Za-z0-9_-]{43}")
DEVICE_LENGTH = 200


class Store(Protocol):
    """What is asked of the store that writes resources."""

    def get(self, resource: str, id: ObjectId) -> dict[str, Any] | None: ...
    def insert(self, resource: str, doc: dict[str, Any]) -> dict[str, Any]: ...
    def change(
        self, resource: str, match: dict[str, Any], set: dict[str, Any] | None = None
    ) -> dict[str, Any] | None: ...
    def remove(self, resource: str, doc: dict[str, Any]) -> bool: ...


class BadRefresh(Exception):
    """The refresh token is unknown, used up or expired."""


class RefreshRaced(BadRefresh):
    """The token was exchanged a moment ago by somebody who is probably the same client."""


class RefreshReused(BadRefresh):
    """A used token came back: its family has been ended."""

    def __init__(self, user: ObjectId, session: ObjectId) -> None:
        super().__init__("reused")
        self.user, self.session = user, session


@dataclass(frozen=True)
class Rotation:
    """A successful exchange."""

    user: ObjectId
    session: ObjectId
    refresh_token: str
    account: dict[str, Any] | None = None


class Sessions:
    """Starts, continues and ends sessions."""

    def __init__(self, services: "Connected", store: Store) -> None:
        self.services, self.store = services, store
        self.settings = services.settings
        self.grace = int(self.settings.refresh_grace_seconds * 1000)
        self.tokens = services.db[REFRESH_TOKENS]

    def start(self, user: ObjectId, device: str, address: str) -> Rotation:
        """Begin a session and return its first refresh token."""
        now = datetime.now(UTC)
        session = self.store.insert(
            "sessions",
            {
                "user": user,
                "device": clean(device),
                "address": prefix_of(address),
                "last_used_at": now,
                "expires_at": now + timedelta(seconds=self.settings.refresh_family_seconds),
            },
        )
        token = self.put(session, now)
        return Rotation(user, session["_id"], token)

    def rotate(self, token: str) -> Rotation:
        """Exchange a refresh token for the next; of many at once, one wins. Raise BadRefresh."""
        if not SHAPE.fullmatch(token):
            raise BadRefresh
        now, spent = datetime.now(UTC), digest(token)
        held = self.tokens.find_one({"_id": spent, "expires_at": {"$gt": now}})
        if held is None:
            raise BadRefresh
        if held.get("rotated_at"):
            raise self.judge_reuse(held)
        session = self.store.get("sessions", held["session"])
        if session is None or session["expires_at"] <= now:
            raise BadRefresh
        # Whatever may fail is done before the swap: a client whose answer is lost after it has to sign in again.
        account = self.store.get("users", held["user"])
        self.store.change("sessions", {"_id": session["_id"]}, set={"last_used_at": now})
        # The next token is stored before the swap: a crash between the two leaves one that nobody has seen.
        fresh = self.put(session, now)
        won = self.tokens.update_one({"_id": spent, "rotated_at": None}, [{"$set": {"rotated_at": "$$NOW"}}])
        if not won.modified_count:
            self.tokens.delete_one({"_id": digest(fresh)})
            raise self.judge_reuse(self.tokens.find_one({"_id": spent}))
        return Rotation(held["user"], session["_id"], fresh, account)

    def judge_reuse(self, held: Mapping[str, Any] | None) -> BadRefresh:
        """Tell an honest race from a stolen token, by the database's clock; end the family of a stolen one."""
        if held is None:
            return BadRefresh("ended")
        grace = {"$dateSubtract": {"startDate": "$$NOW", "unit": "millisecond", "amount": self.grace}}
        if self.tokens.find_one({"_id": held["_id"], "$expr": {"$gte": ["$rotated_at", grace]}}):
            return RefreshRaced("raced")
        self.end(held["user"], only=held["session"])
        return RefreshReused(held["user"], held["session"])

    def end(
        self, user: ObjectId, only: ObjectId | None = None, keep: ObjectId | None = None
    ) -> list[ObjectId]:
        """End one session of a user, or all but `keep`; return which. Their tokens are refused now."""
        match: dict[str, Any] = {"user": user}
        if only or keep:
            match["_id"] = only or {"$ne": keep}
        ended = [found["_id"] for found in self.services.db["sessions"].find(match, {"_id": 1})]
        for session in ended:
            self.remove(session)
        self.forget(ended)
        return ended

    def remove(self, session: ObjectId) -> None:
        """Delete the document of a session, again if it was used at this very moment."""
        while (found := self.store.get("sessions", session)) is not None:
            if self.store.remove("sessions", found):
                return

    def forget(self, sessions: list[ObjectId]) -> None:
        """Delete the refresh tokens of sessions that are gone, and refuse their access tokens at once."""
        if not sessions:
            return
        self.services.tokens.liveness.end_grants(sessions)
        self.tokens.delete_many({"session": {"$in": sessions}})

    def put(self, session: Mapping[str, Any], now: datetime) -> str:
        """Store the hash of a new refresh token: idle for so long, but never longer than the session."""
        token = PREFIX + secrets.token_urlsafe(32)
        idle = now + timedelta(seconds=self.settings.refresh_idle_seconds)
        self.tokens.insert_one(
            {
                "_id": digest(token),
                "user": session["user"],
                "session": session["_id"],
                "issued_at": now,
                "rotated_at": None,
                "expires_at": min(idle, session["expires_at"]),
            }
        )
        return token


def prefix_of(address: str) -> str:
    """Return the /24 or /48 an address is in: enough to recognise a place, not to find a person."""
    try:
        bits = 24 if ip_address(address).version == 4 else 48
        return str(ip_network(f"{address}/{bits}", strict=False))
    except ValueError:
        return ""


def clean(device: str) -> str:
    """Shorten a User-Agent to something that is safe to show."""
    return "".join(letter for letter in device if letter.isprintable())[:DEVICE_LENGTH] or "unknown"
