"""Notifications of Cloudinary: verified, remembered, and taken only as a hint to look; the answer is fast."""

import logging
import re
from typing import Any

import orjson
from bson import ObjectId
from flask import Blueprint, request
from redis.exceptions import RedisError

from clients import tracing
from clients.media import WEBHOOK_AGE_SECONDS, WEBHOOK_SKEW_SECONDS
from clients.metrics import MEDIA_NOTICES
from features.current import app
from features.uploads.direct_jobs import watch_key
from features.uploads.records import process_key
from machine.http.problem import Problem
from machine.http.route import route
from machine.http.shape import TEXT, Shape

blueprint = Blueprint("webhooks", __name__)
log = logging.getLogger(__name__)
LARGEST_BYTES = 1024 * 1024


@route(blueprint, "POST", "/hooks/cloudinary", access="anyone", stream=True, identify=False, tag="hooks",
       summary="Receive a notification of Cloudinary", accepts="application/json",
       answers={200: "Noted, or known already."}, returns=Shape("Noted", {"status": TEXT}),
       reasons=["forbidden", "bad_json", "body_too_large"])  # fmt: skip
def receive_notification() -> dict[str, Any]:
    """Verify a notification on its raw bytes, and make the job that waits for it due at once."""
    body = request.stream.read(LARGEST_BYTES + 1)
    if len(body) > LARGEST_BYTES:
        raise Problem(413, "body_too_large")
    signature = request.headers.get("X-Cld-Signature", "")
    if not app().services.media.is_genuine(body, request.headers.get("X-Cld-Timestamp", ""), signature):
        MEDIA_NOTICES.labels("forged").inc()
        raise Problem(403, "forbidden", "The signature does not match.")
    if is_replay(signature):
        MEDIA_NOTICES.labels("known").inc()
        return {"status": "known"}
    try:
        notice = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        MEDIA_NOTICES.labels("malformed").inc()
        raise Problem(400, "bad_json") from error
    job_id = hasten(notice if isinstance(notice, dict) else {})
    MEDIA_NOTICES.labels("taken" if job_id else "unmatched").inc()
    if job_id:
        # The media store does not pass the context of a trace on: the job has kept it.
        kept = (app().services.jobs.get(job_id) or {}).get("trace") if tracing.enabled() else None
        with tracing.span("media notice", kept, job=job_id):
            app().services.jobs.announce(job_id)
    return {"status": "ok"}


def is_replay(signature: str) -> bool:
    """Remember a signature while it is valid; True when it was seen. Without Redis nothing is known."""
    seconds = WEBHOOK_AGE_SECONDS + WEBHOOK_SKEW_SECONDS
    try:
        return not app().services.redis.set(f"hook:cloudinary:{signature}", b"1", nx=True, ex=seconds)
    except RedisError:
        return False


def hasten(notice: dict[str, Any]) -> ObjectId | None:
    """Make the job due that waits for this file; whatever the notice claims, the job looks for itself."""
    prefix = re.escape(app().settings.media_prefix)
    name = str(notice.get("public_id", ""))
    jobs = app().services.jobs
    arrived = re.fullmatch(rf"{prefix}/incoming/([0-9a-f]{{24}})", name)
    if arrived:
        job_id: ObjectId | None = jobs.hasten(watch_key(arrived[1]))
        return job_id
    made = re.fullmatch(rf"{prefix}/([0-9a-f]{{24}})/([0-9]+)", name)
    if not made:
        return None
    broken = [
        str(one.get("transformation")) for one in notice.get("eager") or () if one.get("status") == "failed"
    ]
    return jobs.hasten(process_key(ObjectId(made[1]), int(made[2])), broken)
