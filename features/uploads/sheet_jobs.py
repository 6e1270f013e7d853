"""Give a film its storyboard: from the received file or, where the bytes did not pass the API, from its rendition."""

import logging
import shutil
import time
from pathlib import Path
from typing import Any

from clients.download import NotDownloaded, fetch
from features.uploads.media_plan import Derived
from features.uploads.records import spool_of
from features.uploads.storyboard import draw_sheet
from machine.jobs.job import Run, Wait

log = logging.getLogger(__name__)
# The smallest rendition of a long film is below this; a larger one is not fetched.
LARGEST_BYTES = 1 << 30
SPARE_BYTES = 1 << 28
URL_SECONDS = 3600
TRIES, PAUSE_SECONDS = 3, 5.0


def store_sheet(run: Run) -> dict[str, Any] | None:
    """Draw and store the storyboard from the file in the spool; a film without one plays as well."""
    path = spool_of(run.store).path(run.payload["upload"])
    sheet = draw_sheet(path, run.payload["facts"]["duration"]) if path.exists() else None
    if sheet is None:
        return None
    name = run.services.media.public_id(run.subject_id, run.payload["media_version"])
    stored = run.services.media.store_image(sheet.jpeg, name)
    facts = {name: value for name, value in vars(sheet).items() if name != "jpeg"}
    return {**facts, "public_id": name, "version": stored["version"]}


def store_fetched_sheet(run: Run, made: list[Derived], found: dict[str, Any]) -> dict[str, Any] | None:
    """Do the same with the smallest rendition, which is fetched into the spool for as long as it takes."""
    one = min((one for one in made if one.kind == "mp4"), key=lambda one: one.width * one.height)
    size = found["derived"][one.transformation, one.format].get("bytes", 0)
    spool, upload = spool_of(run.store), run.payload["upload"]
    spool.remove(upload)
    try:
        if has_room(spool.folder, size):
            fetch_rendition(run, one, found)
            return store_sheet(run)
    except NotDownloaded as trouble:
        tries = run.payload.get("sheet_tries", 0) + 1
        log.warning("job %s: the rendition did not come, try %s: %s", run.job["_id"], tries, trouble)
        if tries < TRIES:
            run.keep(sheet_tries=tries)
            raise Wait(PAUSE_SECONDS * tries) from trouble
    finally:
        spool.remove(upload)
    return None


def has_room(folder: Path, size: int) -> bool:
    """Tell whether a file of this size may lie in the spool for a moment."""
    folder.mkdir(parents=True, exist_ok=True)
    return size <= LARGEST_BYTES and shutil.disk_usage(folder).free > size + SPARE_BYTES


def fetch_rendition(run: Run, one: Derived, found: dict[str, Any]) -> None:
    """Fetch a rendition as a viewer would."""
    media, name = run.services.media, found["public_id"]
    url = media.url(name, found["version"], one.eager, int(time.time()) + URL_SECONDS)
    with spool_of(run.store).create(run.payload["upload"]) as target:
        fetch(url, target, LARGEST_BYTES, run.check)
