"""Finding many assets: by type, prefix, tag, context, moderation and ids, in pages."""

import base64
import binascii
from typing import Any

from cloudinary_local.assets import Asset, from_row
from cloudinary_local.errors import bad_request
from cloudinary_local.params import MAX_RESULTS, Fields
from cloudinary_local.store import Store

_HAS_TAG = "EXISTS (SELECT 1 FROM json_each(doc, '$.tags') WHERE value=?)"
_HAS_KEY = "EXISTS (SELECT 1 FROM json_each(doc, '$.context.custom') WHERE key=?)"
_HAS_PAIR = "EXISTS (SELECT 1 FROM json_each(doc, '$.context.custom') WHERE key=? AND value=?)"
_MODERATED = (
    "EXISTS (SELECT 1 FROM json_each(doc, '$.moderation') WHERE value->>'kind'=? AND value->>'status'=?)"
)


class Query:
    """A list of conditions on assets, each with its values."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self._values: list[Any] = []

    def where(self, condition: str, *values: Any) -> "Query":
        """Add a condition."""
        self._conditions.append(condition)
        self._values += values
        return self

    def one_of(self, column: str, values: list[str]) -> "Query":
        """Add a condition that a column is among some values."""
        return self.where(f"{column} IN ({','.join('?' * len(values))})", *values)

    def tag(self, tag: str) -> "Query":
        """Add a condition on a tag."""
        return self.where(_HAS_TAG, tag)

    def context(self, key: str, value: str) -> "Query":
        """Add a condition on a context key, and on its value if one is given."""
        return self.where(_HAS_PAIR, key, value) if value else self.where(_HAS_KEY, key)

    def moderation(self, kind: str, status: str) -> "Query":
        """Add a condition on a moderation."""
        return self.where(_MODERATED, kind, status)

    def prefix(self, prefix: str) -> "Query":
        """Add a condition on the start of the public id."""
        return self.where("substr(public_id, 1, ?)=?", len(prefix), prefix)

    def page(self, store: Store, fields: Fields, default: int = 10) -> tuple[list[Asset], str]:
        """Return a page of assets and the cursor of the next one ('' at the end)."""
        size = fields.number("max_results", default, 1, MAX_RESULTS)
        down = fields.text("direction", "desc") not in {"asc", "1"}
        cursor = fields.text("next_cursor")
        conditions, values = list(self._conditions), list(self._values)
        if cursor:
            conditions.append("rowid < ?" if down else "rowid > ?")
            values.append(_read_cursor(cursor))
        text = " AND ".join(conditions) or "1"
        order = "DESC" if down else "ASC"
        sql = f"SELECT rowid AS position, * FROM assets WHERE {text} ORDER BY rowid {order} LIMIT ?"
        rows = store.rows(sql, *values, size + 1)
        assets = [from_row(row, skip="position") for row in rows[:size]]
        return assets, _write_cursor(rows[size - 1]["position"]) if len(rows) > size else ""


def tagged(store: Store, resource_type: str, tag: str) -> list[Asset]:
    """List the assets of a kind that carry a tag."""
    query = Query().where("resource_type=?", resource_type).tag(tag)
    return query.page(store, Fields(direction="asc"), MAX_RESULTS)[0]


def _write_cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"at:{position}".encode()).decode()


def _read_cursor(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
        return int(text.removeprefix("at:")[:18])
    except (binascii.Error, ValueError) as error:
        raise bad_request("Invalid value for parameter next_cursor") from error
