"""Whether this process lives, and whether it can serve."""

from typing import Any

from flask import Blueprint

from features.current import app
from features.operation.health import Health, can_serve
from machine.http.route import route
from machine.http.shape import TEXT, Shape, each

blueprint = Blueprint("health", __name__)
blueprint.record(lambda state: state.app.extensions.update(health=Health(state.app)))
READINESS = Shape("Readiness", {
    "status": {**TEXT, "allowed": ["ok", "draining", "unavailable"]},
    "parts": each({"type": "string"}),
    "build": TEXT,
})  # fmt: skip


@route(blueprint, "GET", "/livez", root=True, access="anyone", tag="meta", summary="Is the process alive?",
       answers={200: "Yes."}, returns=Shape("Alive", {"status": {**TEXT, "allowed": ["ok"]}}),
       identify=False)  # fmt: skip
def livez() -> dict[str, str]:
    """Answer without asking anything else."""
    return {"status": "ok"}


@route(blueprint, "GET", "/readyz", root=True, access="anyone", tag="meta", summary="Can it serve?",
       description="MongoDB and its indexes decide. The other parts are told: the API does without them.",
       answers={200: "Yes, with the state of each part.", 503: "Not now: a part is missing, or it drains."},
       returns={200: READINESS, 503: READINESS}, identify=False)  # fmt: skip
def readyz() -> Any:
    """Answer 200 if MongoDB and its indexes are there and nobody asked this instance to drain."""
    health: Health = app().extensions["health"]
    parts = health.parts()
    status = "draining" if health.draining else "ok" if can_serve(parts) else "unavailable"
    return {"status": status, "parts": parts, "build": app().settings.build}, 200 if status == "ok" else 503
