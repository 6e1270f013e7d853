"""How far API keys reach where no resource answers: as far as the route's `scope`; without one, keys stay out.

Resources and their actions check scopes themselves (`policy.access`).
"""

from typing import Any

from flask import current_app, g, request

from policy.problem import Problem


def require_scope() -> None:
    """Refuse a key on a route for signed-in callers that its scopes do not reach."""
    app: Any = current_app
    spec = getattr(app.view_functions.get(request.endpoint or ""), "spec", None)
    if g.caller.scopes is None or spec is None or spec.action or spec.access == "anyone":
        return
    if spec.scope is None:
        raise Problem(403, "session_required")
    deed = "read" if request.method in ("GET", "HEAD") else "write"
    if f"{spec.scope}:{deed}" not in g.caller.scopes:
        raise Problem(403, "missing_scope")
