"""Uploads in chunks: they may come in any order, twice, and across a restart."""

import json
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from cloudinary_local.errors import bad_request
from cloudinary_local.files import PIECE, Files
from cloudinary_local.settings import MIN_CHUNK_BYTES
from cloudinary_local.store import Store

_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|-1|\*)")
_KEPT_SECONDS = 24 * 3600
_STRIPES = 32


class Chunks:
    """Gathers chunks in a file of their own; the store knows which ranges are safely on disk."""

    def __init__(self, store: Store, files: Files, max_bytes: int) -> None:
        self._store = store
        self._files = files
        self._max_bytes = max_bytes
        self._locks = [threading.Lock() for _ in range(_STRIPES)]

    def lock(self, upload_id: str) -> threading.Lock:
        """Return the lock that keeps two chunks of one upload apart."""
        return self._locks[hash(upload_id) % _STRIPES]

    def answer(self, upload_id: str) -> dict[str, Any] | None:
        """Return the answer of an upload that is already complete: a repeated last chunk gets it again."""
        row = self._store.row("SELECT answer FROM chunked WHERE id=?", upload_id)
        return json.loads(row["answer"]) if row and row["answer"] else None

    def add(self, upload_id: str, header: str, chunk: Path) -> Path | None:
        """Write one chunk at its place; return the whole file once all of it is here."""
        start, end, total = self._check_range(header, chunk.stat().st_size)
        row = self._store.row("SELECT total, ranges FROM chunked WHERE id=?", upload_id)
        ranges: list[list[int]] = json.loads(row["ranges"]) if row else []
        known = row["total"] if row else None
        target = self._files.partial_file(upload_id)
        if ranges and not target.exists():
            # A crash right after the file was moved: what the row promises is no longer there.
            self.drop(upload_id)
            raise bad_request("Upload was interrupted, start again from the first chunk")
        if known is not None and total is not None and known != total:
            raise bad_request("Content-Range total differs from the earlier chunks of this upload")
        total = total if total is not None else known
        if [start, end] not in ranges:
            if any(start <= last and first <= end for first, last in ranges):
                raise bad_request("Content-Range overlaps an earlier chunk of this upload")
            ranges.append([start, end])
        if total is not None and any(last >= total for _, last in ranges):
            raise bad_request("Content-Range is beyond the end of the file")
        _write_at(target, start, chunk)
        self._store.run(
            "INSERT INTO chunked (id, total, ranges, updated) VALUES (?,?,?,?) ON CONFLICT (id)"
            " DO UPDATE SET total=excluded.total, ranges=excluded.ranges, updated=excluded.updated",
            upload_id, total, json.dumps(sorted(ranges)), time.time(),
        )  # fmt: skip
        received = sum(last - first + 1 for first, last in ranges)
        return target if received == total else None

    def complete(self, upload_id: str, answer: dict[str, Any]) -> None:
        """Keep the answer of a finished upload."""
        self._store.run(
            "UPDATE chunked SET answer=?, updated=? WHERE id=?", json.dumps(answer), time.time(), upload_id
        )

    def drop(self, upload_id: str) -> None:
        """Forget an upload and its bytes."""
        self._store.run("DELETE FROM chunked WHERE id=?", upload_id)
        self._files.partial_file(upload_id).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Forget uploads that nobody continued for a day, and files that no row knows."""
        old = time.time() - _KEPT_SECONDS
        for row in self._store.rows("SELECT id FROM chunked WHERE updated<?", old):
            self.drop(row["id"])
        known = {
            self._files.partial_file(row["id"]).name
            for row in self._store.rows("SELECT id FROM chunked WHERE answer IS NULL")
        }
        for path in self._files.partial.iterdir():
            if path.name not in known:
                path.unlink(missing_ok=True)

    def _check_range(self, header: str, size: int) -> tuple[int, int, int | None]:
        found = _RANGE.fullmatch(header)
        if not found:
            raise bad_request(f"Invalid Content-Range header: {header[:80]}")
        start, end = int(found[1]), int(found[2])
        total = int(found[3]) if found[3].isdigit() else None
        if end < start or (total is not None and end >= total):
            raise bad_request(f"Invalid Content-Range header: {header[:80]}")
        if size != end - start + 1:
            raise bad_request(f"Chunk has {size} bytes but Content-Range says {end - start + 1}")
        if max(end + 1, total or 0) > self._max_bytes:
            raise bad_request(f"File size too large. Got {total or end + 1}. Maximum is {self._max_bytes}.")
        if end + 1 != total and size < MIN_CHUNK_BYTES:
            raise bad_request("All parts except EOF-chunk must be larger than 5mb")
        return start, end, total


def _write_at(target: Path, start: int, chunk: Path) -> None:
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as stream, chunk.open("rb") as source:
        stream.seek(start)
        shutil.copyfileobj(source, stream, PIECE)
        stream.flush()
        os.fsync(stream.fileno())
