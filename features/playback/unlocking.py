"""Passwords of videos: a hash in a collection of its own, and keys that open one video for a while."""

import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from bson import ObjectId

from machine.access.sealing import derive

if TYPE_CHECKING:
    from features.backend import Backend

COLLECTION = "video_passwords"


def set_password(services: "Backend", video: ObjectId, password: str) -> None:
    """Protect a video; keys made under the password before open it no longer."""
    made = {"hash": services.passwords.hash(password)}
    services.db[COLLECTION].update_one({"_id": video}, {"$set": made}, upsert=True)


def drop_password(services: "Backend", video: ObjectId) -> None:
    """Protect a video no longer."""
    services.db[COLLECTION].delete_one({"_id": video})


def stored_hash(services: "Backend", video: ObjectId) -> str | None:
    """Return the hash of a video's password."""
    found = services.db[COLLECTION].find_one({"_id": video})
    return found["hash"] if found else None


def unlock(services: "Backend", video: ObjectId, password: str) -> tuple[str, int] | None:
    """Return a key and when it expires; None where the password is wrong."""
    encoded = stored_hash(services, video)
    if not services.passwords.verify(encoded, password) or encoded is None:
        return None
    expires = int(time.time() + services.settings.playback_seconds)
    return f"{expires}.{sign(services, video, expires, encoded)}", expires


def opens(services: "Backend", video: ObjectId, key: str) -> bool:
    """Tell whether a key opens this video now."""
    expires, encoded = expiry(key), stored_hash(services, video)
    if encoded is None or expires <= time.time():
        return False
    right = sign(services, video, expires, encoded)
    return hmac.compare_digest(right.encode(), key.partition(".")[2].encode("utf-8", "replace"))


def expiry(key: str) -> int:
    """Return when a key expires, in Unix seconds, as it says itself; 0 where it says nothing of the kind."""
    text = key.partition(".")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0


def sign(services: "Backend", video: ObjectId, expires: int, encoded: str) -> str:
    """Sign a key. It is bound to the password, so that a new one ends it."""
    key = derive(services.settings.secret_key, "unlocking videos")
    return hmac.new(key, f"{video}.{expires}.{encoded}".encode(), hashlib.sha256).hexdigest()[:40]
