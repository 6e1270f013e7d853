"""Sessions: each has one family of refresh tokens, of which exactly one is current.

A refresh token is 256 bits, stored hashed, exchanged by one compare-and-swap (RFC 9700, 4.14.2). The first of a
family is random; each further one is derived from the one before it and SECRET_KEY, so that a client whose answer
was lost gets the same successor again, though nothing stored tells what it is. A used one that comes back after the
grace, or after its successor was used, is in two hands: the whole family ends. Writes to the resource go through
the store that the caller hands in.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from clients import clock
from machine.access.sealing import derive, digest
from machine.write.store import Store

if TYPE_CHECKING:
    from features.backend import Backend

REFRESH_TOKENS = "refresh_tokens"
PREFIX = "mqr_"
SHAPE = re.compile(r"mqr_[A-Za-z0-9_-]{43}")
DEVICE_LENGTH = 200


class BadRefresh(Exception):
    """The refresh token is unknown, used up or expired."""


class RefreshRaced(BadRefresh):
    """The token was exchanged a moment ago under another SECRET_KEY: its successor cannot be computed here."""


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

    def __init__(self, services: "Backend", store: Store) -> None:
        self.services, self.store = services, store
        self.settings = services.settings
        self.grace = int(self.settings.refresh_grace_seconds * 1000)
        self.tokens = services.db[REFRESH_TOKENS]

    def start(self, user: ObjectId, device: str, address: str) -> Rotation:
        """Begin a session and return its first refresh token."""
        now = clock.now()
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
        token = PREFIX + secrets.token_urlsafe(32)
        self.put(token, session, now)
        return Rotation(user, session["_id"], token)

    def rotate(self, token: str) -> Rotation:
        """Exchange a refresh token for its successor, again within the grace for the same one. Raise BadRefresh."""
        if not SHAPE.fullmatch(token):
            raise BadRefresh
        now, spent, fresh = clock.now(), digest(token), self.successor(token)
        held = self.tokens.find_one({"_id": spent, "expires_at": {"$gt": now}})
        if held is None:
            raise BadRefresh
        session = self.store.get("sessions", held["session"])
        if session is None or session["expires_at"] <= now:
            raise BadRefresh
        # Whatever may fail is done before the swap.
        account = self.store.get("users", held["user"])
        if held.get("rotated_at") or not self.spend(spent, fresh, session, now):
            self.judge_reuse(spent, digest(fresh))
        return Rotation(held["user"], session["_id"], fresh, account)

    def spend(self, spent: str, fresh: str, session: Mapping[str, Any], now: datetime) -> bool:
        """Put the successor in the place of a token; False if somebody else did so first."""
        self.store.change("sessions", {"_id": session["_id"]}, set={"last_used_at": now})
        # The successor is stored before the swap: a crash between the two leaves one that nobody has seen.
        self.put(fresh, session, now)
        used = {"_id": spent, "rotated_at": None}
        return bool(self.tokens.update_one(used, [{"$set": {"rotated_at": "$$NOW"}}]).modified_count)

    def successor(self, token: str) -> str:
        """Return the token that this one is exchanged for: the same each time, and known to nobody without the key."""
        key = derive(self.settings.secret_key, "successors of refresh tokens")
        made = hmac.new(key, token.encode(), hashlib.sha256).digest()
        return PREFIX + base64.urlsafe_b64encode(made).decode().rstrip("=")

    def judge_reuse(self, spent: str, successor: str) -> None:
        """Let a used token pass whose answer may have been lost; else raise, and end the family of a stolen one.

        It passes within the grace, by the database's clock, while nobody has used its successor: whoever holds both
        went on already, so the used one came from somebody else.
        """
        held = self.tokens.find_one({"_id": spent})
        if held is None:
            raise BadRefresh("ended")
        grace = {"$dateSubtract": {"startDate": "$$NOW", "unit": "millisecond", "amount": self.grace}}
        if self.tokens.find_one({"_id": spent, "$expr": {"$gte": ["$rotated_at", grace]}}):
            follows = self.tokens.find_one({"_id": successor})
            if follows is None:
                raise RefreshRaced("raced")
            if not follows["rotated_at"]:
                return
        self.end(held["user"], only=held["session"])
        raise RefreshReused(held["user"], held["session"])

    def end(
        self, user: ObjectId, only: ObjectId | None = None, keep: ObjectId | None = None
    ) -> list[ObjectId]:
        """End one session of a user, or all but `keep`; return which. Their tokens are refused now."""
        match: dict[str, Any] = {"user": user}
        if only or keep:
            match["_id"] = only or {"$ne": keep}
        ended = [found["_id"] for found in self.services.db["sessions"].find(match, {"_id": 1})]
        self.store.clear("sessions", {"_id": {"$in": ended}})
        self.forget(ended)
        return ended

    def forget(self, sessions: list[ObjectId]) -> None:
        """Delete the refresh tokens of sessions that are gone, and refuse their access tokens at once."""
        if not sessions:
            return
        self.services.tokens.liveness.end_grants(sessions)
        self.tokens.delete_many({"session": {"$in": sessions}})

    def put(self, token: str, session: Mapping[str, Any], now: datetime) -> None:
        """Store the hash of a new refresh token: idle for so long, but never longer than the session."""
        idle = now + timedelta(seconds=self.settings.refresh_idle_seconds)
        facts = {"user": session["user"], "session": session["_id"], "issued_at": now, "rotated_at": None}
        expiry = {"expires_at": min(idle, session["expires_at"])}
        # Others who exchange the same token at this moment store the same successor.
        with suppress(DuplicateKeyError):
            self.tokens.update_one(
                {"_id": digest(token)}, {"$setOnInsert": facts, "$max": expiry}, upsert=True
            )


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
