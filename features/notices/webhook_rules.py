"""What only webhooks do: their address must be one that may be called, and the events must exist."""

from typing import Any

from clients import outbound
from features.current import app
from machine.access.rights import has_scope
from machine.current import g
from machine.http.problem import Problem

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


def require_reach(registry: Any, events: list[str]) -> None:
    """Refuse a key that would have events sent of what it may not read itself; none named is all of them."""
    wanted = {name.partition(".")[0] for name in events}
    for resource in registry:
        sent = resource.events and (not events or resource.name in wanted)
        if sent and not has_scope(resource, "GET", g.caller):
            raise Problem(403, "missing_scope", f"This key may not read {resource.name}.")


def check_change(updates: Document, original: Document) -> None:
    """Check a change; switching one on again forgives its failures."""
    check(app().settings, app().registry, updates)
    require_reach(app().registry, (original | updates).get("events") or [])
    if updates.get("active") and not original.get("active"):
        updates.update(failures=0, trouble=None)


RESOURCE = "webhooks"
HOOKS = {"on_update": check_change}
