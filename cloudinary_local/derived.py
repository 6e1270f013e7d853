"""Rows of derived resources and of the batches that wait for them."""

import json
import secrets
import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any

from cloudinary_local.assets import Asset
from cloudinary_local.errors import bad_request
from cloudinary_local.images import FORMATS as IMAGE_FORMATS
from cloudinary_local.store import Store
from cloudinary_local.transformation import Eager, parse

VIDEO_FORMATS = ("mp4", "webm", "mp3", "m4a")
FRAME_FORMATS = ("jpg", "png", "webp")


@dataclass
class Derived:
    """One rendition of one version of an asset; `state` is queued, done or failed."""

    id: str
    asset_id: str
    version: int
    transformation: str
    format: str
    state: str
    cost: int
    attempts: int
    queued_at: float
    doc: dict[str, Any] = field(default_factory=dict)


def from_row(row: sqlite3.Row) -> Derived:
    """Build a derived resource from its row."""
    return Derived(**{**dict(row), "doc": json.loads(row["doc"])})


def output_format(asset: Asset, eager: Eager) -> str:
    """Decide the format of a rendition, or refuse it with 400."""
    steps = parse(eager.transformation)
    asked = next((step["f"] for step in reversed(steps) if step.get("f", "auto") != "auto"), "")
    chosen = asked or eager.format
    if any("sp" in step for step in steps):
        chosen = chosen or "m3u8"
    chosen = chosen or asset.format
    if asset.resource_type == "image":
        allowed: tuple[str, ...] = tuple(IMAGE_FORMATS)
    elif asset.resource_type == "video":
        allowed = (*VIDEO_FORMATS, *FRAME_FORMATS, "m3u8")
        if not (asked or eager.format) and chosen not in allowed:
            chosen = "mp4"
    else:
        raise bad_request("Transformations are not supported for raw files")
    if chosen not in allowed:
        raise bad_request(f"Unsupported format - {chosen}")
    return chosen


def request_derived(store: Store, asset: Asset, eager: Eager) -> Derived:
    """Record that a rendition is wanted; one that exists is returned, one that failed is tried anew."""
    chosen = output_format(asset, eager)
    now = time.time()
    cost = 2 if chosen == "m3u8" else int(chosen in VIDEO_FORMATS)
    values = (secrets.token_hex(16), asset.asset_id, asset.version, eager.transformation, chosen, cost, now)
    with store.write() as db:
        db.execute(
            "INSERT INTO derived (id, asset_id, version, transformation, format, state, cost, queued_at)"
            " VALUES (?,?,?,?,?,'queued',?,?) ON CONFLICT (asset_id, version, transformation, format)"
            " DO UPDATE SET state='queued', attempts=0, doc='{}', queued_at=excluded.queued_at"
            " WHERE state='failed'",
            values,
        )
        row = db.execute(
            "SELECT * FROM derived WHERE asset_id=? AND version=? AND transformation=? AND format=?",
            (asset.asset_id, asset.version, eager.transformation, chosen),
        ).fetchone()
    return from_row(row)


def find_derived(store: Store, derived_id: str) -> Derived | None:
    """Find a derived resource by its id."""
    row = store.row("SELECT * FROM derived WHERE id=?", derived_id)
    return from_row(row) if row else None


def derived_of(store: Store, asset_id: str) -> list[Derived]:
    """List an asset's finished renditions."""
    rows = store.rows("SELECT * FROM derived WHERE asset_id=? AND state='done' ORDER BY queued_at", asset_id)
    return [from_row(row) for row in rows]


def next_queued(store: Store, busy: set[str]) -> Derived | None:
    """Choose the next rendition to make: cheap ones first, then the oldest."""
    marks = ",".join("?" * len(busy))
    order = "ORDER BY cost, queued_at LIMIT 1"
    row = store.row(f"SELECT * FROM derived WHERE state='queued' AND id NOT IN ({marks}) {order}", *busy)
    return from_row(row) if row else None


def open_batch(store: Store, asset: Asset, items: list[Derived], doc: dict[str, Any]) -> str:
    """Record an eager_async request: its webhook is owed once all items are finished."""
    batch_id = secrets.token_hex(32)
    with store.write() as db:
        db.execute("INSERT INTO batches VALUES (?,?,?)", (batch_id, asset.asset_id, json.dumps(doc)))
        db.executemany(
            "INSERT INTO batch_items VALUES (?,?,?)", [(batch_id, at, one.id) for at, one in enumerate(items)]
        )
    return batch_id


def finished_batches(store: Store, asset_id: str) -> list[sqlite3.Row]:
    """List an asset's batches of which no item is queued any more."""
    return store.rows(
        "SELECT * FROM batches WHERE asset_id=? AND NOT EXISTS (SELECT 1 FROM batch_items JOIN derived"
        " ON derived.id=derived_id WHERE batch_id=batches.id AND state='queued')",
        asset_id,
    )


def batch_items(store: Store, batch_id: str) -> list[Derived]:
    """List a batch's renditions in the order they were asked for."""
    rows = store.rows(
        "SELECT derived.* FROM batch_items JOIN derived ON derived.id=derived_id WHERE batch_id=?"
        " ORDER BY position",
        batch_id,
    )
    return [from_row(row) for row in rows]
