"""Passwords of videos: a hash in a collection of its own, and keys that open one video for a while."""

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

from bson import ObjectId

from machine.access.sealing import derive

if TYPE_CHECKING:
    from features.backend import Backend

COLLECTION = "video_passwords"


def set_password(services: "Backend", video: ObjectId, password: str) -> None:
    """Protect a video; keys made under the password before open it no longer."""
    made = {"$set": {"hash": services.passwords.hash(password)}, "$unset": {"bond": ""}}
    services.db[COLLECTION].update_one({"_id": video}, made, upsert=True)


def drop_password(services: "Backend", video: ObjectId) -> None:
    """Protect a video no longer."""
    services.db[COLLECTION].delete_one({"_id": video})


def read_password(services: "Backend", video: ObjectId) -> dict[str, Any]:
    """Return what is kept of a video's password {hash, bond}; empty where it has none.

    `bond` is what its keys are signed with: the first hash of it, where that was renewed since.
    """
    found = services.db[COLLECTION].find_one({"_id": video})
    return {"hash": found["hash"], "bond": found.get("bond", found["hash"])} if found else {}


def unlock(services: "Backend", video: ObjectId, password: str) -> tuple[str, int] | None:
    """Return a key and when it expires; None where the password is wrong."""
    kept = read_password(services, video)
    checked = services.passwords.check(kept.get("hash"), password)
    if not checked.right:
        return None
    if checked.outdated:
        # Whoever was given a key keeps it: the password is still the same.
        renewed = {"hash": services.passwords.hash(password), "bond": kept["bond"]}
        services.db[COLLECTION].update_one({"_id": video, "hash": kept["hash"]}, {"$set": renewed})
    expires = int(time.time() + services.settings.playback_seconds)
    return f"{expires}.{sign(services, video, expires, kept['bond'])}", expires


def opens(services: "Backend", video: ObjectId, key: str) -> bool:
    """Tell whether a key opens this video now."""
    expires, bond = expiry(key), read_password(services, video).get("bond")
    if bond is None or expires <= time.time():
        return False
    right = sign(services, video, expires, bond)
    return hmac.compare_digest(right.encode(), key.partition(".")[2].encode("utf-8", "replace"))


def expiry(key: str) -> int:
    """Return when a key expires, in Unix seconds, as it says itself; 0 where it says nothing of the kind."""
    text = key.partition(".")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0


def sign(services: "Backend", video: ObjectId, expires: int, bond: str) -> str:
    """Sign a key. It is bound to the password, so that a new one ends it."""
    key = derive(services.settings.secret_key, "unlocking videos")
    return hmac.new(key, f"{video}.{expires}.{bond}".encode(), hashlib.sha256).hexdigest()[:40]
