"""Where bytes live: by asset id and version, written aside, synced, then renamed into place."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

PIECE = 1024 * 1024


class Files:
    """The folders under the data directory. Nothing a client sends ever becomes a path."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.temp = root / "tmp"
        self.partial = root / "partial"
        self.assets = root / "assets"
        # What was being written when a process died is worth nothing.
        shutil.rmtree(self.temp, ignore_errors=True)
        for folder in (self.temp, self.partial, self.assets):
            folder.mkdir(parents=True, exist_ok=True)

    def asset_dir(self, asset_id: str) -> Path:
        """Return the folder of an asset, all versions."""
        return self.assets / asset_id[:2] / asset_id

    def version_dir(self, asset_id: str, version: int) -> Path:
        """Return the folder of one version, original and derived files."""
        return self.asset_dir(asset_id) / str(version)

    def original(self, asset_id: str, version: int) -> Path:
        """Return the path of an original."""
        return self.version_dir(asset_id, version) / "original"

    def derived_dir(self, asset_id: str, version: int, derived_id: str) -> Path:
        """Return the folder of one derived resource."""
        return self.version_dir(asset_id, version) / derived_id

    def partial_file(self, upload_id: str) -> Path:
        """Return the path where the chunks of an upload gather."""
        return self.partial / hashlib.sha256(upload_id.encode()).hexdigest()

    def new_temp(self) -> IO[bytes]:
        """Open a new temporary file that is kept when closed."""
        return tempfile.NamedTemporaryFile(dir=self.temp, delete=False)

    def new_temp_dir(self) -> Path:
        """Make a new temporary folder."""
        return Path(tempfile.mkdtemp(dir=self.temp))

    def drop_version(self, asset_id: str, version: int) -> None:
        """Remove one version's files."""
        shutil.rmtree(self.version_dir(asset_id, version), ignore_errors=True)

    def drop_asset(self, asset_id: str) -> None:
        """Remove an asset's files."""
        shutil.rmtree(self.asset_dir(asset_id), ignore_errors=True)

    def drop_derived(self, asset_id: str, version: int, derived_id: str) -> None:
        """Remove one derived resource's files."""
        shutil.rmtree(self.derived_dir(asset_id, version, derived_id), ignore_errors=True)

    def sweep(self, known: dict[str, int], derived: set[str]) -> None:
        """Remove what no row of the store owns: leftovers of a death between two steps."""
        for asset_dir in self.assets.glob("*/*"):
            version = known.get(asset_dir.name)
            for version_dir in asset_dir.iterdir():
                if str(version) != version_dir.name:
                    shutil.rmtree(version_dir, ignore_errors=True)
                    continue
                for entry in version_dir.iterdir():
                    if entry.name != "original" and entry.name not in derived:
                        shutil.rmtree(entry, ignore_errors=True)
            if version is None:
                shutil.rmtree(asset_dir, ignore_errors=True)


def place(source: Path, target: Path) -> None:
    """Move a finished file or folder to its place so that a crash leaves all or nothing."""
    sync_tree(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        shutil.rmtree(target)
    os.replace(source, target)
    _sync(target.parent)


def sync_tree(path: Path) -> None:
    """Flush a file, or every file of a folder, to the disk."""
    if path.is_dir():
        for entry in path.iterdir():
            sync_tree(entry)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def md5_of(path: Path) -> str:
    """Return the hex MD5 of a file; the protocol's etag."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while piece := stream.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
