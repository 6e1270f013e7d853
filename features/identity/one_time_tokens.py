"""One-time tokens for e-mail verification and password reset: random, hashed, short-lived, used once."""

import secrets
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from clients import addresses, clock
from machine.access.sealing import digest

COLLECTION = "one_time_tokens"
VERIFY, RESET = "verify", "reset"
LIFE_SECONDS = {VERIFY: 3 * 86400, RESET: 3600}


def issue(db: Database[dict[str, Any]], purpose: str, user: ObjectId, address: str) -> str:
    """Make a token for a user and the address it is mailed to; earlier ones for the purpose end."""
    token = secrets.token_urlsafe(32)
    db[COLLECTION].delete_many({"user": user, "purpose": purpose})
    db[COLLECTION].insert_one(
        {
            "_id": digest(token),
            "purpose": purpose,
            "user": user,
            "address": address,
            "expires_at": clock.now() + timedelta(seconds=LIFE_SECONDS[purpose]),
        }
    )
    return token


def redeem(
    db: Database[dict[str, Any]], purpose: str, token: str, user: ObjectId | None = None
) -> dict[str, Any] | None:
    """Use up a token and return what it stands for {user, address}; None if it is unknown, over or not `user`'s.

    It was good for the address that it was mailed to: the caller compares that with what the account has now.
    """
    match: dict[str, Any] = {
        "_id": digest(token),
        "purpose": purpose,
        "expires_at": {"$gt": clock.now()},
    }
    if user is not None:
        match["user"] = user
    return db[COLLECTION].find_one_and_delete(match)


def drop_sent_to(db: Database[dict[str, Any]], users: list[ObjectId], address: str) -> None:
    """Make every token of these users useless that was mailed to an address, however that is written."""
    for found in db[COLLECTION].find({"user": {"$in": users}}, {"address": 1}):
        if addresses.key(found["address"]) == addresses.key(address):
            db[COLLECTION].delete_one({"_id": found["_id"]})


def drop(db: Database[dict[str, Any]], user: ObjectId, purpose: str) -> None:
    """Make every token of a user for a purpose useless."""
    db[COLLECTION].delete_many({"user": user, "purpose": purpose})
