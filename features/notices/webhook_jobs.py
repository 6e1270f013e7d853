"""Deliver events to webhooks: signed, with a time-out, tried again with growing pauses, and written down."""

import time
from typing import Any

from pymongo.client_session import ClientSession
from structlog.contextvars import get_contextvars

from clients import clock, outbound
from clients.metrics import WEBHOOK_ATTEMPTS, WEBHOOK_LAG
from features.notices.webhook_signing import read_secret, sign
from machine.http.json_text import dump
from machine.jobs.job import GiveUp, LeaseLost, Run, job
from machine.jobs.runner import pause
from machine.write.store import Store

ATTEMPTS = 8
# This many failed deliveries in a row switch a webhook off.
PATIENCE = 20


def give_up(run: Run, error: dict[str, Any], session: ClientSession) -> None:
    """Write a failure down, and switch the webhook off when there were too many in a row."""
    facts = {"error": str(error["message"])[:300], "attempts": run.job["attempts"]}
    failed = run.store.move(
        "webhook_deliveries", {"_id": run.subject_id}, "state", "failed", facts, session=session
    )
    if failed is None:
        return
    match = {"_id": failed["webhook"]}
    told = {"trouble": facts["error"][:200]}
    after = run.store.change("webhooks", match, set=told, inc={"failures": 1}, session=session)
    if after and after["failures"] >= PATIENCE:
        run.store.change("webhooks", match, set={"active": False}, session=session)


@job("deliver", attempts=ATTEMPTS, on_failure=give_up)
def deliver(run: Run) -> None:
    """Try one delivery; a bad answer is tried again later."""
    store = run.store
    delivery = store.get("webhook_deliveries", run.subject_id)
    webhook = store.get("webhooks", delivery["webhook"]) if delivery else None
    if delivery is None or webhook is None or delivery["state"] != "pending":
        return
    facts = call(store, webhook, delivery)
    hopeless = facts.pop("hopeless", False)
    note = {**facts, "attempts": run.job["attempts"], "tried_at": clock.second()}
    match = {"_id": delivery["_id"]}
    outcome = "delivered" if facts["error"] is None else "hopeless" if hopeless else "refused"
    WEBHOOK_ATTEMPTS.labels(outcome).inc()
    if facts["error"] is None:
        WEBHOOK_LAG.observe(max(0.0, (clock.second() - delivery["payload"]["timestamp"]).total_seconds()))
        store.move("webhook_deliveries", match, "state", "succeeded", set=note)
        troubled = {"_id": webhook["_id"], "failures": {"$ne": 0}}
        store.change("webhooks", troubled, set={"failures": 0, "trouble": None})
        return
    store.change("webhook_deliveries", match, set=note)
    if hopeless or run.job["attempts"] >= ATTEMPTS:
        raise GiveUp("webhook_failed", facts["error"])
    # An address that does not answer is the receiver's trouble: a pause, and no alarm in our log.
    if not run.services.jobs.requeue(run.job, pause(run.job["attempts"] + 1), waiting=False):
        raise LeaseLost
    run.ended = True


def call(store: Store, webhook: dict[str, Any], delivery: dict[str, Any]) -> dict[str, Any]:
    """Make the call; return what came of it. `hopeless`: no further attempt can help."""
    settings = store.services.settings
    body, moment, message_id = dump(delivery["payload"]), int(time.time()), str(delivery["event"])
    try:
        secret = read_secret(store.services.db, settings.secret_key, webhook["_id"])
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Marquee-Webhooks/1.0",
            "webhook-id": message_id,
            "webhook-timestamp": str(moment),
            "webhook-signature": sign(secret, message_id, moment, body),
        }
        if request_id := get_contextvars().get("request_id"):
            headers["X-Request-Id"] = request_id
        answer = outbound.post(webhook["url"], body, headers, settings.webhook_private_targets)
    except KeyError:
        return {
            "answer_status": None,
            "took_ms": None,
            "error": "The webhook has no secret.",
            "hopeless": True,
        }
    except outbound.BadTarget as error:
        return {"answer_status": None, "took_ms": None, "error": str(error), "hopeless": True}
    except outbound.Unreachable as error:
        return {"answer_status": None, "took_ms": None, "error": str(error)}
    good = 200 <= answer.status < 300
    error_text = None if good else f"It answered {answer.status}."
    return {"answer_status": answer.status, "took_ms": answer.took_ms, "error": error_text}
