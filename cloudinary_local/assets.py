"""Rows of uploaded assets."""

import json
import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any

from cloudinary_local.store import Store

RESOURCE_TYPES = ("image", "video", "raw")
PUBLIC_TYPES = ("upload", "text", "sprite", "multi")
GUARDED_TYPES = ("private", "authenticated")
TYPES = PUBLIC_TYPES + GUARDED_TYPES


@dataclass
class Asset:
    """One asset at its present version; `doc` holds what the columns do not."""

    asset_id: str
    resource_type: str
    type: str
    public_id: str
    version: int
    format: str
    bytes: int
    etag: str
    created_at: str
    doc: dict[str, Any] = field(default_factory=dict)

    @property
    def is_guarded(self) -> bool:
        """Tell whether its delivery needs a signature or a token."""
        return self.type in GUARDED_TYPES


def utc(seconds: float | None = None) -> str:
    """Format a time as the protocol does."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def from_row(row: sqlite3.Row, skip: str = "") -> Asset:
    """Build an asset from its row, without the column named by `skip`."""
    columns = {name: value for name, value in dict(row).items() if name != skip}
    return Asset(**{**columns, "doc": json.loads(row["doc"])})


def find_asset(store: Store, resource_type: str, kind: str, public_id: str) -> Asset | None:
    """Find an asset by its public name."""
    row = store.row(
        "SELECT * FROM assets WHERE resource_type=? AND type=? AND public_id=?",
        resource_type,
        kind,
        public_id,
    )
    return from_row(row) if row else None


def find_by_id(store: Store, asset_id: str) -> Asset | None:
    """Find an asset by its id."""
    row = store.row("SELECT * FROM assets WHERE asset_id=?", asset_id)
    return from_row(row) if row else None


def save_asset(store: Store, asset: Asset) -> None:
    """Insert an asset, or replace its row; derived rows of older versions go."""
    columns = {**vars(asset), "doc": json.dumps(asset.doc)}
    names = ", ".join(columns)
    marks = ", ".join("?" * len(columns))
    updates = ", ".join(f"{name}=excluded.{name}" for name in columns if name != "asset_id")
    with store.write() as db:
        db.execute(
            f"INSERT INTO assets ({names}) VALUES ({marks}) ON CONFLICT (asset_id) DO UPDATE SET {updates}",
            tuple(columns.values()),
        )
        db.execute("DELETE FROM derived WHERE asset_id=? AND version<>?", (asset.asset_id, asset.version))


def update_doc(store: Store, asset: Asset) -> bool:
    """Write an asset's document; False if that version is gone."""
    sql = "UPDATE assets SET doc=? WHERE asset_id=? AND version=?"
    return store.run(sql, json.dumps(asset.doc), asset.asset_id, asset.version) > 0


def delete_asset(store: Store, asset_id: str) -> None:
    """Delete an asset's row; its derived rows and batches go with it."""
    store.run("DELETE FROM assets WHERE asset_id=?", asset_id)
