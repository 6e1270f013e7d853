"""What Prometheus scrapes: counted by the processes of this host, and read from MongoDB at that moment."""

from hmac import compare_digest
from typing import Any

from flask import Blueprint, Response, request

from clients import metrics
from clients.metrics import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from features.current import app
from features.operation.gauges import Gauges
from machine.http.problem import Problem
from machine.http.route import route

blueprint = Blueprint("metrics", __name__)


@blueprint.record
def add_gauges(state: Any) -> None:
    """Give the application its gauges."""
    state.app.extensions["gauges"] = Gauges(state.app.services)


@route(blueprint, "GET", "/metrics", root=True, access="anyone", tag="meta", identify=False,
       summary="Metrics for Prometheus", answers={200: "The metrics."}, content="text/plain",
       description="Asks for `Authorization: Bearer` with METRICS_TOKEN. Without that setting it answers everybody "
       "in development, and is not there in production.", reasons=["not_found", "invalid_token"])  # fmt: skip
def show_metrics() -> Response:
    """Answer with everything that is measured, in the text format."""
    require_token(app().settings)
    metrics.BUILD.labels(app().settings.build).set(1)
    registry = metrics.registry()
    registry.register(app().extensions["gauges"])
    return Response(
        generate_latest(registry),
        content_type=CONTENT_TYPE_PLAIN_0_0_4,
        headers={"Cache-Control": "no-store"},
    )


def require_token(settings: Any) -> None:
    """Refuse who does not know METRICS_TOKEN."""
    wanted = settings.metrics_token
    if not wanted:
        if settings.environment == "production":
            raise Problem(404, "not_found")
        return
    given = request.headers.get("Authorization", "")
    if not compare_digest(given.encode("utf-8", "replace"), f"Bearer {wanted}".encode()):
        raise Problem(401, "invalid_token", headers={"WWW-Authenticate": "Bearer"})
