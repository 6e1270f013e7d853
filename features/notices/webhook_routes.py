"""Webhooks of users: make one, test it, change its secret, send again."""

from typing import Any

from bson import ObjectId
from flask import Blueprint
from pymongo.client_session import ClientSession

from clients import clock
from features.current import Document, app, services, shown, store
from features.notices.relay_jobs import owe_delivery
from features.notices.webhook_rules import check, require_reach
from features.notices.webhook_signing import make_secret
from machine.current import g
from machine.http.problem import Problem
from machine.http.route import action, route
from machine.http.shape import ID, LINKS, TEXT, Shape
from schemas._fields import of_kind

blueprint = Blueprint("webhooks_out", __name__)
MOST = 20
SECRET = "The webhook with its `secret`, which is shown only now."
WITH_SECRET = Shape("WebhookSecret", {"_id": ID, "secret": TEXT, "_links": LINKS})


def new_secret(webhook: ObjectId) -> str:
    """Draw a secret for a webhook."""
    return make_secret(services().db, services().settings.secret_key, webhook)


@route(
    blueprint,
    "POST",
    "/webhooks",
    access="user",
    scope="webhooks",
    rate="sensitive",
    tag="webhooks",
    summary="Register a webhook",
    description="Calls are signed as Standard Webhooks 1.0 says. Without `events` all are sent.",
    body={
        "url": {"type": "string", "required": True, "minlength": 8, "maxlength": 1000, **of_kind("code")},
        "events": {
            "type": "list",
            "maxlength": 50,
            "schema": {"type": "string", "maxlength": 60, **of_kind("code")},
        },
        "description": {"type": "string", "maxlength": 200, "nullable": True, **of_kind("line")},
        "active": {"type": "boolean"},
    },
    answers={201: SECRET},
    returns=WITH_SECRET,
    reasons=["validation_failed", "bad_target", "too_many"],
)
def make_webhook(body: Document) -> Any:
    """Register an address of the caller's."""
    check(app().settings, app().registry, body)
    require_reach(app().registry, body.get("events", []))
    if store().collection("webhooks").count_documents({"owner": g.caller.id}, limit=MOST) >= MOST:
        raise Problem(409, "too_many", f"At most {MOST} webhooks; delete one first.")
    values = {"events": [], "description": None, "active": True, **body, "owner": g.caller.id}
    webhook = store().insert("webhooks", values)
    answer = {**shown("webhooks", webhook), "secret": new_secret(webhook["_id"])}
    return answer, 201, {"Location": answer["_links"]["self"]["href"]}


@action(blueprint, "webhooks", "rotate", answers={200: SECRET}, returns=WITH_SECRET)
def rotate(doc: Document) -> Document:
    """Replace the secret of a webhook at once."""
    return {**shown("webhooks", doc), "secret": new_secret(doc["_id"])}


@action(
    blueprint,
    "webhooks",
    "ping",
    answers={202: "The delivery that is owed."},
    returns="webhook_deliveries",
)
def ping(doc: Document) -> Any:
    """Record a delivery of a test event."""
    event = {
        "_id": ObjectId(),
        "type": "webhooks.ping",
        "happened_at": clock.now(),
        "resource": "webhooks",
        "subject": doc["_id"],
        "data": None,
    }
    return shown("webhook_deliveries", owe_delivery(store(), doc, event)), 202


@action(
    blueprint,
    "webhook_deliveries",
    "redeliver",
    answers={202: "The delivery, owed again."},
    returns="webhook_deliveries",
)
def redeliver(doc: Document) -> Any:
    """Record a delivery that has ended once more."""
    subject = {"resource": "webhook_deliveries", "id": doc["_id"]}
    name = f"deliver:{doc['_id']}:{ObjectId()}"

    def write(session: ClientSession) -> tuple[Document, Document]:
        match = {"_id": doc["_id"]}
        again = store().move(
            "webhook_deliveries", match, "state", "pending", set={"error": None}, session=session
        )
        if again is None:
            raise Problem(409, "illegal_state")
        return again, services().jobs.record("deliver", subject, name, owner=g.caller.id, session=session)

    again, job = store().in_transaction(write)
    services().jobs.announce(job["_id"])
    return shown("webhook_deliveries", again), 202
