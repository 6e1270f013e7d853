"""The one transactional store of the local media server: SQLite in WAL mode."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS assets (
    asset_id TEXT PRIMARY KEY, resource_type TEXT NOT NULL, type TEXT NOT NULL, public_id TEXT NOT NULL,
    version INTEGER NOT NULL, format TEXT NOT NULL, bytes INTEGER NOT NULL, etag TEXT NOT NULL,
    created_at TEXT NOT NULL, doc TEXT NOT NULL, UNIQUE (resource_type, type, public_id));
CREATE TABLE IF NOT EXISTS derived (
    id TEXT PRIMARY KEY, asset_id TEXT NOT NULL REFERENCES assets ON DELETE CASCADE,
    version INTEGER NOT NULL, transformation TEXT NOT NULL, format TEXT NOT NULL, state TEXT NOT NULL,
    cost INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, doc TEXT NOT NULL DEFAULT '{}',
    queued_at REAL NOT NULL, UNIQUE (asset_id, version, transformation, format));
CREATE INDEX IF NOT EXISTS derived_state ON derived (state, cost, queued_at);
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY, asset_id TEXT NOT NULL REFERENCES assets ON DELETE CASCADE, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch_items (
    batch_id TEXT NOT NULL REFERENCES batches ON DELETE CASCADE, position INTEGER NOT NULL,
    derived_id TEXT NOT NULL REFERENCES derived ON DELETE CASCADE, PRIMARY KEY (batch_id, position));
CREATE INDEX IF NOT EXISTS batch_items_derived ON batch_items (derived_id);
CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL, body BLOB NOT NULL, due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'due', answer TEXT);
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (state, due);
CREATE TABLE IF NOT EXISTS chunked (
    id TEXT PRIMARY KEY, total INTEGER, ranges TEXT NOT NULL, updated REAL NOT NULL, answer TEXT);
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, name TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (kind, name));
"""


class Store:
    """One connection behind a lock: every statement of a `with store.write()` commits or none does."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._depth = 0
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.executescript(SCHEMA)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction, or join the one this thread already has open."""
        with self._lock:
            if self._depth:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            else:
                self._db.execute("COMMIT")
            finally:
                self._depth = 0

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Run a query and return all its rows."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """Run a query and return its first row."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def run(self, sql: str, *values: Any) -> int:
        """Run one statement in a transaction; return how many rows it touched."""
        with self.write() as db:
            return db.execute(sql, values).rowcount

    def document(self, kind: str, name: str) -> dict[str, Any] | None:
        """Read one named setting (a preset, a profile, a metadata field ...)."""
        found = self.row("SELECT doc FROM documents WHERE kind=? AND name=?", kind, name)
        return json.loads(found["doc"]) if found else None

    def documents(self, kind: str) -> dict[str, dict[str, Any]]:
        """Read all named settings of a kind."""
        found = self.rows("SELECT name, doc FROM documents WHERE kind=? ORDER BY rowid", kind)
        return {row["name"]: json.loads(row["doc"]) for row in found}

    def keep_document(self, kind: str, name: str, doc: dict[str, Any]) -> None:
        """Write one named setting."""
        self.run(
            "INSERT INTO documents VALUES (?,?,?) ON CONFLICT (kind, name) DO UPDATE SET doc=excluded.doc",
            kind, name, json.dumps(doc),
        )  # fmt: skip

    def drop_document(self, kind: str, name: str) -> bool:
        """Remove one named setting; tell whether it was there."""
        return self.run("DELETE FROM documents WHERE kind=? AND name=?", kind, name) > 0

    def close(self) -> None:
        """Close the database; the log is folded in."""
        with self._lock:
            self._db.close()
