"""The ring of signing keys: next, active, retired; one document in MongoDB, so that every process agrees.

Private keys are sealed with SECRET_KEY. A change is one compare-and-swap on the ring's revision.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.utils import base64url_decode, base64url_encode
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError

from clients import clock
from machine.access.sealing import CannotOpen, digest, seal, unseal
from settings import Settings

COLLECTION = "signing_keys"
RING = "ring"
PURPOSE = "signing keys"
RELOAD_SECONDS = 30.0
# Anybody can make tokens of unknown keys, so these have the ring read at most once in this many seconds.
UNKNOWN_SECONDS = 3.0
LEEWAY_SECONDS = 10.0
ROTATE_TRIES = 5


class KeysUnusable(Exception):
    """There is no key to sign with; the message says what the operator has to do."""


@dataclass(frozen=True)
class Key:
    """One key pair as read from the ring; `private` is None where it cannot or need not be opened."""

    kid: str
    state: str
    public: Ed25519PublicKey
    private: Ed25519PrivateKey | None
    development: bool
    expires_at: datetime | None

    def verifies(self, now: datetime) -> bool:
        """Tell whether signatures of this key still count: a retired one only until its time."""
        return self.state != "retired" or (self.expires_at is not None and now < self.expires_at)


class KeyRing:
    """Reads the ring, keeps it for half a minute, and rotates it."""

    def __init__(self, db: Database[dict[str, Any]], settings: Settings) -> None:
        self.settings = settings
        self.collection: Collection[dict[str, Any]] = db[COLLECTION]
        self.keys: dict[str, Key] = {}
        self.loaded_at = float("-inf")
        self.unknown_at = float("-inf")
        self.lock = threading.Lock()

    def signing(self) -> tuple[Key, Ed25519PrivateKey]:
        """Return the active key and its private half, in development making the first; or KeysUnusable."""
        self.refresh()
        if not any(key.state == "active" for key in self.keys.values()):
            self.begin()
        key = next((key for key in self.keys.values() if key.state == "active"), None)
        if key is None or key.private is None:
            raise KeysUnusable(
                "This SECRET_KEY does not open the active signing key. Run `python run.py keys rotate`."
            )
        if key.development and self.in_production:
            raise KeysUnusable(
                "The active signing key was made for development. Run `python run.py keys rotate`."
            )
        return key, key.private

    def verifying(self, kid: str) -> Key | None:
        """Return the key that a token names, or None. For an unknown name the ring is read again, now and then."""
        self.refresh()
        if kid not in self.keys and self.may_look_again():
            self.refresh(older_than=0)
        key = self.keys.get(kid)
        if key is None or not key.verifies(clock.now()) or (key.development and self.in_production):
            return None
        return key

    def may_look_again(self) -> bool:
        """Tell whether it is time again to read the ring for an unknown name."""
        with self.lock:
            now = time.monotonic()
            if now - self.unknown_at < UNKNOWN_SECONDS:
                return False
            self.unknown_at = now
            return True

    def published(self) -> list[dict[str, str]]:
        """Return the public keys that may verify a token now or soon, as JWKs (RFC 7517, RFC 8037)."""
        self.refresh(older_than=1)
        if not self.keys and not self.in_production:
            self.begin()
        now = clock.now()
        same = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA"}
        usable = [key for key in self.keys.values() if key.verifies(now)]
        return [{**same, "kid": key.kid, "x": public_text(key.public)} for key in usable]

    def listing(self) -> list[dict[str, Any]]:
        """Return kid, state and times of every key, for the operator."""
        ring = self.collection.find_one({"_id": RING}) or {"keys": []}
        shown = ("kid", "state", "development", "created_at", "activated_at", "retired_at", "expires_at")
        return [{name: key.get(name) for name in shown} for key in ring["keys"]]

    def begin(self) -> None:
        """Make the first ring. Only in development: production asks the operator to do it."""
        if self.in_production:
            raise KeysUnusable("There is no signing key yet. Run `python run.py keys rotate`.")
        # Where another process was first, its ring is as good.
        with suppress(DuplicateKeyError):
            self.collection.insert_one(self.first_ring())
        self.refresh(older_than=0)

    def rotate(self, distrust: bool = False) -> str:
        """Make next active and active retired, add a new next; return the kid that signs from now on.

        `distrust`: the present key is no longer in our hands alone; it and all retired ones end at once.
        """
        for _ in range(ROTATE_TRIES):
            ring = self.collection.find_one({"_id": RING})
            if ring is None:
                try:
                    self.collection.insert_one(self.first_ring())
                    break
                except DuplicateKeyError:
                    continue
            turned = {"revision": ring["revision"] + 1, "keys": self.turn(ring["keys"], distrust)}
            match = {"_id": RING, "revision": ring["revision"]}
            if self.collection.update_one(match, {"$set": turned}).modified_count:
                break
        self.refresh(older_than=0)
        return self.signing()[0].kid

    def turn(self, keys: list[dict[str, Any]], distrust: bool = False) -> list[dict[str, Any]]:
        """Return the keys after one rotation; those whose time is over are dropped."""
        now = clock.now()
        # Another process may sign with the old key until it reads the ring again; such a token lives on.
        last_use = RELOAD_SECONDS + self.settings.access_token_seconds + LEEWAY_SECONDS
        turned = []
        for key in keys:
            if distrust and key["state"] != "next":
                continue
            if key["state"] == "active":
                key = {
                    **key,
                    "state": "retired",
                    "retired_at": now,
                    "expires_at": now + timedelta(seconds=last_use),
                }
            elif key["state"] == "next":
                if self.open(key) is None or (key["development"] and self.in_production):
                    continue
                key = {**key, "state": "active", "activated_at": now}
            elif key["expires_at"] <= now:
                continue
            turned.append(key)
        if not any(key["state"] == "active" for key in turned):
            turned.append(self.make("active"))
        return [*turned, self.make("next")]

    def first_ring(self) -> dict[str, Any]:
        """Return a ring of an active and a next key."""
        return {"_id": RING, "revision": 1, "keys": [self.make("active"), self.make("next")]}

    def make(self, state: str) -> dict[str, Any]:
        """Generate a key pair in its stored form."""
        private = Ed25519PrivateKey.generate()
        raw = private.private_bytes(
            serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
        )
        public = public_text(private.public_key())
        now = clock.now()
        return {
            "kid": digest(public)[:16],
            "state": state,
            "development": not self.in_production,
            "public": public,
            "sealed": seal(self.settings.secret_key, PURPOSE, raw),
            "created_at": now,
            "activated_at": now if state == "active" else None,
        }

    def open(self, stored: Mapping[str, Any]) -> Ed25519PrivateKey | None:
        """Open a stored private key; None if it was sealed with another SECRET_KEY."""
        try:
            return Ed25519PrivateKey.from_private_bytes(
                unseal(self.settings.secret_key, PURPOSE, stored["sealed"])
            )
        except CannotOpen:
            return None

    def refresh(self, older_than: float = RELOAD_SECONDS) -> None:
        """Read the ring again if what is held is older than this many seconds."""
        asked_at = time.monotonic()
        if asked_at - self.loaded_at < older_than:
            return
        with self.lock:
            if self.loaded_at >= asked_at:
                return
            try:
                ring = self.collection.find_one({"_id": RING}) or {"keys": []}
            except PyMongoError:
                if not self.keys:
                    raise
                return  # without MongoDB the keys that are known still verify
            self.keys = {stored["kid"]: self.read(stored) for stored in ring["keys"]}
            self.loaded_at = asked_at

    def read(self, stored: Mapping[str, Any]) -> Key:
        """Turn a stored key into a usable one; a key already open is taken over."""
        known = self.keys.get(stored["kid"])
        public = (
            known.public if known else Ed25519PublicKey.from_public_bytes(base64url_decode(stored["public"]))
        )
        private = None
        if stored["state"] == "active":
            private = known.private if known and known.private else self.open(stored)
        return Key(
            stored["kid"], stored["state"], public, private, stored["development"], stored.get("expires_at")
        )

    @property
    def in_production(self) -> bool:
        """Tell whether keys made for development are refused."""
        return self.settings.environment == "production"


def public_text(key: Ed25519PublicKey) -> str:
    """Return the raw public key in base64url."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64url_encode(raw).decode()
