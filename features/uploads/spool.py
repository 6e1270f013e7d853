"""The spool: uploads on disk until they are stored. File names are our own ids, never a client's words."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bson import ObjectId


class Spool:
    """A folder of files named by upload id, for all processes, and all hosts that share the volume."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, upload_id: ObjectId) -> Path:
        """Return where an upload's bytes are."""
        return self.folder / f"{upload_id}.part"

    def create(self, upload_id: ObjectId) -> BinaryIO:
        """Open a new, empty file for writing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return open(self.path(upload_id), "xb", buffering=0)

    def reopen(self, upload_id: ObjectId, size: int) -> BinaryIO:
        """Open a file to go on after `size` bytes; what lies beyond was never acknowledged and is cut off."""
        file = open(self.path(upload_id), "r+b", buffering=0)  # noqa: SIM115  the caller closes it
        file.truncate(size)
        file.seek(size)
        return file

    def keep(self, file: BinaryIO) -> None:
        """Return when the bytes, and the file's name, would survive a power cut."""
        os.fsync(file.fileno())
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, upload_id: ObjectId) -> None:
        """Delete an upload's bytes; none is fine."""
        self.path(upload_id).unlink(missing_ok=True)

    def stale(self, seconds: float) -> Iterator[ObjectId]:
        """Yield the uploads whose file nobody has written to for that long."""
        oldest = time.time() - seconds
        for entry in os.scandir(self.folder) if self.folder.is_dir() else ():
            name, _, ending = entry.name.partition(".")
            if ending == "part" and ObjectId.is_valid(name) and entry.stat().st_mtime < oldest:
                yield ObjectId(name)
