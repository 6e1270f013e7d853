"""Whether this process lives, and whether it can serve."""

import contextlib
from typing import Any

from flask import Blueprint, current_app
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from api.route import route
from policy.indexes import missing_indexes

blueprint = Blueprint("health", __name__)


@route(blueprint, "GET", "/livez", root=True, access="anyone", tag="meta", summary="Is the process alive?",
       answers={200: "Yes."})  # fmt: skip
def livez() -> dict[str, str]:
    """Answer without asking anything else."""
    return {"status": "ok"}


@route(blueprint, "GET", "/readyz", root=True, access="anyone", tag="meta", summary="Can it serve?",
       answers={200: "Yes, with the state of each part.", 503: "Not now."})  # fmt: skip
def readyz() -> Any:
    """Answer 200 if MongoDB and its indexes are there; the other parts are reported, the API does without them."""
    app: Any = current_app
    parts = {"mongodb": "down", "indexes": "unknown", "redis": "down"}
    with contextlib.suppress(PyMongoError):
        app.services.mongo.admin.command("ping")
        parts["mongodb"] = "ok"
        absent = missing_indexes(app.store)
        parts["indexes"] = f"missing: {', '.join(absent)}" if absent else "ok"
    with contextlib.suppress(RedisError):
        app.services.redis.ping()
        parts["redis"] = "ok"
    ready = parts["mongodb"] == parts["indexes"] == "ok"
    return {"status": "ok" if ready else "unavailable", "parts": parts}, 200 if ready else 503
