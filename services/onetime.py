"""One-time tokens for e-mail verification and password reset: random, hashed, short-lived, used once."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from services.sealing import digest

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
            "expires_at": datetime.now(UTC) + timedelta(seconds=LIFE_SECONDS[purpose]),
        }
    )
    return token


def redeem(db: Database[dict[str, Any]], purpose: str, token: str) -> dict[str, Any] | None:
    """Use up a token and return what it stands for {user, address}; None if it is unknown or over."""
    match = {"_id": digest(token), "purpose": purpose, "expires_at": {"$gt": datetime.now(UTC)}}
    return db[COLLECTION].find_one_and_delete(match)


def drop(db: Database[dict[str, Any]], user: ObjectId) -> None:
    """Make every token of a user useless."""
    db[COLLECTION].delete_many({"user": user})
