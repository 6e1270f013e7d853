"""What happens around a request: the ordered list of every hook. Read this file first.

`BEFORE` and `AFTER` run around every request, resource or not. `EVENTS` are Eve's, for every resource.
What only one resource does, because no policy key can say it, stands in the `*_rules.py` of its feature.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from hooks import cors, dry_run, idempotency, metrics, ownership, safety, scopes, stamps, unread
from machine.access import identify as caller
from machine.access import rate
from machine.eve.app import guard
from machine.http import request_log
from machine.write.audit_trail import AuditTrail

Hook = Callable[..., Any]
BEFORE: list[Hook] = [
    request_log.begin,
    caller.identify,
    rate.limit,
    scopes.require_scope,
    idempotency.begin,
]
EVENTS: list[tuple[str, Hook]] = [
    ("on_pre_POST", ownership.check_create),
    ("on_pre_PATCH", ownership.check_change),
    ("on_pre_PUT", ownership.check_change),
    ("on_pre_DELETE", ownership.check_change),
    ("on_insert", stamps.prepare),
]
# These run after the resource's own hooks: whatever they changed is what is remembered or thrown away.
LAST_EVENTS: list[tuple[str, Hook]] = [
    ("on_insert", dry_run.stop),
    ("on_update", dry_run.stop),
    ("on_replace", dry_run.stop),
    ("on_delete_item", dry_run.stop),
    ("on_inserted", stamps.remember),
]
AFTER: list[Hook] = [
    unread.finish,
    idempotency.end,
    rate.describe,
    cors.allow,
    safety.forbid_sniffing,
    metrics.end,
    request_log.end,
]


def register(app: Any, rules: Mapping[str, Mapping[str, Hook]]) -> None:
    """Attach all hooks, those of single resources (`rules`: resource -> event -> function) between the general ones."""
    app.store.records.recorders.append(AuditTrail(app.services))
    for before in BEFORE:
        app.before_request(before)
    # Flask runs these last registered first; here they run as they are listed.
    for after in reversed(AFTER):
        app.after_request(after)
    for event, hook in EVENTS:
        attach(app, event, guard(translate(app, hook)))
    for alias, base in app.base_of.items():
        for event, hook in rules.get(base, {}).items():
            attach(app, f"{event}_{alias}", guard(hook))
    for event, hook in LAST_EVENTS:
        for alias, base in app.base_of.items():
            attach(app, f"{event}_{alias}", guard(functools.partial(hook, base)))


def attach(app: Any, event: str, hook: Callable[..., Any]) -> None:
    """Add a hook to one of Eve's event slots."""
    slot = getattr(app, event)
    slot += hook


def translate(app: Any, hook: Callable[..., Any]) -> Callable[..., Any]:
    """Let a general hook see the resource itself where Eve names one of its sub-resource URLs."""

    @functools.wraps(hook)
    def translated(resource: str, *arguments: Any) -> Any:
        return hook(app.base_of[resource], *arguments)

    return translated
