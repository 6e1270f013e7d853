"""The update pipelines of the job ledger: every moment in them is the database's own."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from bson import ObjectId

from clients import tracing

NOW = "$$NOW"


def after(seconds: float) -> dict[str, Any]:
    """Return the expression for a moment that far from the database's now."""
    return {"$dateAdd": {"startDate": NOW, "unit": "millisecond", "amount": int(seconds * 1000)}}


def add_seconds(field: str) -> dict[str, Any]:
    """Return the expression for now plus a stored number of seconds."""
    return {
        "$dateAdd": {
            "startDate": NOW,
            "unit": "millisecond",
            "amount": {"$toLong": {"$multiply": [field, 1000]}},
        }
    }


def write(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an update pipeline that sets expressions, and gives the document a fresh tag and date."""
    return [{"$set": {**values, "_etag": secrets.token_hex(20), "_updated": NOW}}]


def literal(value: Any) -> dict[str, Any]:
    """Protect a value from being read as an expression."""
    return {"$literal": value}


def told(error: Mapping[str, Any] | None) -> dict[str, Any]:
    """Split an error into what the owner reads and its cause, which only administrators read."""
    shown = {name: value for name, value in (error or {}).items() if name != "detail"}
    return {"error": literal(shown or None), "cause": literal((error or {}).get("detail"))}


def unless_known(given: Mapping[str, Any], due: datetime | None) -> list[dict[str, Any]]:
    """Return the pipeline that makes a new job of what the upsert found nothing for, and changes no other."""
    fixed = {
        "_id": ObjectId(),
        **given,
        "state": "queued",
        "attempts": 0,
        "waits": 0,
        "fence": 0,
        "progress": {"step": "queued", "percent": 0},
        "error": None,
        "sent_at": None,
        "lease_until": None,
        # The request that recorded it, also through another job: the logs of all that follows carry this.
        "trace": tracing.context(),
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
        "_etag": secrets.token_hex(20),
    }
    seconds = given["deadline_seconds"]
    moving = {
        "_created": NOW,
        "_updated": NOW,
        "next_retry_at": literal(due) if due else NOW,
        "deadline_at": after(seconds) if seconds else None,
    }
    fresh = {"$mergeObjects": [literal(fixed), moving]}
    return [{"$replaceWith": {"$cond": [{"$eq": [{"$type": "$state"}, "missing"]}, fresh, "$$ROOT"]}}]
