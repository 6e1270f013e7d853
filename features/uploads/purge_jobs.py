"""The files that a video has at the media store, to be deleted by jobs when it is purged."""

from collections.abc import Iterator
from typing import Any

from pymongo.client_session import ClientSession

from features.uploads.deletion_jobs import owe_deletion
from machine.jobs.job import Run
from machine.write.purge_jobs import on_purge


@on_purge("videos")
def owe_video_files(run: Run, video: dict[str, Any], session: ClientSession) -> None:
    """Record the deletion of every file that belongs to this video alone."""
    for public_id, resource_type in files_of(run, video):
        owe_deletion(run, public_id, session, resource_type)


def files_of(run: Run, video: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (public id, resource type) of the film, of one that was on its way, and of the cover."""
    if video.get("media"):
        yield video["media"]["public_id"], "video"
    if video.get("cover"):
        yield video["cover"]["public_id"], "image"
    if pending := video.get("pending_media"):
        yield run.services.media.public_id(video["_id"], pending["version"]), "video"
