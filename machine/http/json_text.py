"""JSON as it goes over the wire: dates as RFC 3339 in UTC, ids as 24 hex digits."""

from datetime import UTC, datetime
from typing import Any

import orjson
from bson import ObjectId
from xxhash import xxh3_64_hexdigest

OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_OMIT_MICROSECONDS


def write_other(value: Any) -> Any:
    """Return what JSON can hold of a value that orjson does not know."""
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be rendered")


def dump(value: Any) -> bytes:
    """Return the JSON bytes of a value: dates as 2026-11-22T07:15:00Z, ids as 24 hex digits."""
    try:
        return orjson.dumps(value, default=write_other, option=OPTIONS)
    except orjson.JSONEncodeError:
        # Keys that are no strings are rare, and looking out for them costs every answer a third more.
        return orjson.dumps(value, default=write_other, option=OPTIONS | orjson.OPT_NON_STR_KEYS)


def digest(body: bytes) -> str:
    """Return the digest that validates an answer, 16 hex digits. It guards against chance, not against forgery."""
    return xxh3_64_hexdigest(body)
