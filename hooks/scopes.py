"""What API keys may do at routes that are no resource: what the route's `scope` says; without one, keys are refused.

Resources and their actions check scopes themselves (`machine.access.rights`), and whatever a view reads of a resource
it sees as a stranger where the key lacks that resource's scope.
"""

from flask import request

from machine.access import rights as access
from machine.current import app, g
from machine.http.problem import Problem
from machine.http.route import asked_spec


def require_scope() -> None:
    """Refuse a key on a route that its scopes do not reach."""
    spec = asked_spec()
    if g.caller.scopes is None or spec is None:
        return
    if not spec.scopes and not spec.action and spec.access != "anyone":
        raise Problem(403, "session_required")
    for name in spec.scopes:
        access.require_scope(app().registry[name], request.method, g.caller)
