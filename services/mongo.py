"""The one MongoDB client of a process."""

from typing import Any

from pymongo import MongoClient

from settings import Settings


def connect(settings: Settings) -> MongoClient[dict[str, Any]]:
    """Open the client. Writes are acknowledged by a majority; every wait is bounded (milliseconds here)."""
    wait = int(settings.mongo_timeout_seconds * 1000)
    return MongoClient(
        settings.mongo_uri,
        tz_aware=True,
        uuidRepresentation="standard",
        appname="marquee",
        w="majority",
        maxPoolSize=72,
        serverSelectionTimeoutMS=wait,
        connectTimeoutMS=wait,
        waitQueueTimeoutMS=wait,
        socketTimeoutMS=max(wait * 4, 20_000),
    )
