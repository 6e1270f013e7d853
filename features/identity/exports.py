"""Where personal exports are kept: GridFS, which both the worker that makes them and the API can reach."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from bson import ObjectId
from gridfs import GridFSBucket
from gridfs.errors import NoFile
from pymongo.database import Database

from clients import clock

BUCKET = "exports"
KEEP_SECONDS = 7 * 86400
PIECE = 256 * 1024


def keep(db: Database[dict[str, Any]], job: ObjectId, user: ObjectId, file: Path) -> None:
    """Store the file of an export under its job; one that is there already is replaced."""
    drop(db, {"_id": job})
    drop(db, {"metadata.expires_at": {"$lte": clock.now()}})
    metadata = {"user": user, "expires_at": clock.now() + timedelta(seconds=KEEP_SECONDS)}
    with file.open("rb") as source:
        GridFSBucket(db, BUCKET).upload_from_stream_with_id(job, f"{job}.zip", source, metadata=metadata)


def find(db: Database[dict[str, Any]], job: ObjectId, user: ObjectId) -> dict[str, Any] | None:
    """Return what is known of a user's export {length, …}; None if there is none or its time is over."""
    unexpired = {"metadata.expires_at": {"$gt": clock.now()}}
    return db[f"{BUCKET}.files"].find_one({"_id": job, "metadata.user": user, **unexpired})


def pieces(db: Database[dict[str, Any]], job: ObjectId) -> Iterator[bytes]:
    """Yield the bytes of an export."""
    with GridFSBucket(db, BUCKET).open_download_stream(job) as stream:
        while piece := stream.read(PIECE):
            yield piece


def drop(db: Database[dict[str, Any]], match: dict[str, Any]) -> None:
    """Delete exports."""
    bucket = GridFSBucket(db, BUCKET)
    for found in db[f"{BUCKET}.files"].find(match, {"_id": 1}):
        try:
            bucket.delete(found["_id"])
        except NoFile:
            continue  # another process deleted it in the meantime
