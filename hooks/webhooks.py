"""What only webhooks do: their address must be one that may be called, and the events must exist."""

from typing import Any

from flask import current_app

from policy.problem import Problem
from services import outbound

Document = dict[str, Any]


def check(settings: Any, registry: Any, values: Document) -> None:
    """Refuse addresses that will never be called, and events that never happen."""
    if values.get("url"):
        try:
            outbound.check_url(values["url"], settings.webhook_private_targets)
        except outbound.BadTarget as error:
            raise Problem(422, "bad_target", issues={"url": str(error)}) from error
    known = {f"{resource.name}.{moment}" for resource in registry for moment in resource.events}
    unknown = sorted(set(values.get("events") or []) - known)
    if unknown:
        told = f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        raise Problem(422, "validation_failed", issues={"events": told})


def check_change(updates: Document, original: Document) -> None:
    """Check a change; switching one on again forgives its failures."""
    app: Any = current_app
    check(app.settings, app.registry, updates)
    if updates.get("active") and not original.get("active"):
        updates.update(failures=0, trouble=None)


HOOKS = {"on_update": check_change}
