"""The parts of the local media server, put together and taken apart in order."""

import fcntl
import threading
from pathlib import Path
from typing import IO

from cloudinary_local.assets import find_by_id
from cloudinary_local.chunks import Chunks
from cloudinary_local.files import Files
from cloudinary_local.render import Renderer
from cloudinary_local.settings import Settings
from cloudinary_local.store import Store
from cloudinary_local.webhooks import Webhooks


class Server:
    """Everything an endpoint needs; one per process."""

    def __init__(self, settings: Settings) -> None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(settings.data_dir / "lock")
        self.settings = settings
        # Held while a name is taken, given up or moved, so that files and rows change together.
        self.naming = threading.RLock()
        self.files = Files(settings.data_dir)
        self.store = Store(settings.data_dir / "meta.sqlite")
        self.webhooks = Webhooks(settings, self.store)
        self.renderer = Renderer(settings, self.store, self.files, self.webhooks)
        self.chunks = Chunks(self.store, self.files, settings.max_bytes)

    def start(self) -> None:
        """Clear what a crash left behind, then resume what it interrupted."""
        known = {
            row["asset_id"]: row["version"] for row in self.store.rows("SELECT asset_id, version FROM assets")
        }
        derived = {row["id"] for row in self.store.rows("SELECT id FROM derived WHERE state='done'")}
        self.files.sweep(known, derived)
        self.chunks.sweep()
        for row in self.store.rows("SELECT DISTINCT asset_id FROM batches"):
            asset = find_by_id(self.store, row["asset_id"])
            if asset:
                self.renderer.settle(asset)
        self.renderer.start()
        self.webhooks.start()

    def stop(self) -> None:
        """End renders and webhooks; what is unfinished waits in the store."""
        self.renderer.stop()
        self.webhooks.stop()
        self.store.close()
        self._lock.close()


def _lock(path: Path) -> IO[str]:
    """Hold the data directory for this process alone; the kernel lets go if it dies."""
    stream = path.open("w")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        stream.close()
        raise OSError(f"the data directory {path.parent} belongs to a running copy") from error
    return stream
