"""API keys: long-lived credentials for programs; only a hash is stored, and the key is shown once."""

import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bson import ObjectId

from clients import clock
from features.identity.liveness import has_expired
from machine.access.sealing import digest

if TYPE_CHECKING:
    from machine.connected import Connected

PREFIX = "mqk_"
SHAPE = re.compile(r"mqk_([0-9a-f]{24})_[A-Za-z0-9_-]{43}")
HASHES = "api_key_hashes"
DEEDS = ("read", "write")
# For how many seconds a key that was not there is not looked up again; how many such keys are remembered.
MISSING_SECONDS = 30.0
MISSING = 10_000


class ApiKeys:
    """Makes and finds keys. The `api_keys` resource says what a key is for; its hash lives apart."""

    def __init__(self, services: "Connected") -> None:
        self.services = services
        self.missing: OrderedDict[str, float] = OrderedDict()
        self.lock = threading.Lock()

    def make(self, key_id: ObjectId, expires_at: datetime | None = None) -> str:
        """Make the secret of a new key, store its hash, and return what the user may see once."""
        token = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
        self.services.db[HASHES].insert_one({"_id": key_id, "hash": digest(token), "expires_at": expires_at})
        return token

    def find(self, token: str) -> dict[str, Any] | None:
        """Return the key's document if the token is right and its time is not over."""
        match = SHAPE.fullmatch(token)
        if match is None:
            return None
        hashed = digest(token)
        if self.missing.get(hashed, 0.0) > time.monotonic():
            return None
        found = self.look_up(ObjectId(match.group(1)), hashed)
        if found is None:
            self.note_missing(hashed)
        return found

    def look_up(self, key_id: ObjectId, hashed: str) -> dict[str, Any] | None:
        """Read a key from MongoDB; None where it is not there, is another, or has expired."""
        stored = self.services.db[HASHES].find_one({"_id": key_id})
        if stored is None or not secrets.compare_digest(stored["hash"], hashed):
            return None
        found = self.services.db["api_keys"].find_one({"_id": key_id})
        return None if found is None or has_expired(found) else found

    def note_missing(self, hashed: str) -> None:
        """Remember for a while that a key is not there. No key that is made later can be the same."""
        with self.lock:
            self.missing.pop(hashed, None)
            self.missing[hashed] = time.monotonic() + MISSING_SECONDS
            while len(self.missing) > MISSING:
                self.missing.popitem(last=False)

    def forget(self, key_ids: Iterable[ObjectId]) -> None:
        """Delete the hashes of keys that are gone."""
        self.services.db[HASHES].delete_many({"_id": {"$in": list(key_ids)}})

    def note_use(self, key_id: ObjectId) -> None:
        """Note that a key is in use. Called when a proof is made anew: about once a minute per process.

        The ETag stays, as with counters: a key in use can still be deleted with the ETag its owner saw.
        """
        now = clock.now()
        noted = {"last_used_at": now, "_updated": now}
        self.services.db["api_keys"].update_one({"_id": key_id}, {"$set": noted})


def is_api_key(token: str) -> bool:
    """Tell an API key from an access token by its looks."""
    return token.startswith(PREFIX)


def scopes_of(resources: Iterable[str]) -> list[str]:
    """Return every scope of these resources: to read and to write each."""
    return [f"{name}:{deed}" for name in sorted(resources) for deed in DEEDS]
