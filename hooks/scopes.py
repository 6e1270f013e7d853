"""How far API keys reach where no resource answers: each such route belongs to a resource, or keys stay out.

Resources and their actions check scopes themselves (`policy.access`). What is left fails closed: a route for
signed-in callers that is not in the table is for people only.
"""

from typing import Any

from flask import current_app, g, request

from policy.problem import Problem
from settings import PREFIX

# The beginning of the path → the resource whose scope a key needs: `read` for GET and HEAD, else `write`.
# The longest beginning counts.
SCOPES = {
    "/me": None,
    "/me/history": "watch_history",
    "/me/playlisted": "playlists",
    "/me/positions": "watch_history",
    "/me/ratings": "likes",
    "/me/subscribed": "subscriptions",
    "/me/watch-later": "playlists",
    "/feed/subscriptions": "subscriptions",
    "/uploads": "videos",
    "/videos": "videos",
}
# The account itself: shown and changed with the scopes of users.
ACCOUNT = {("GET", "/me"): "users", ("PATCH", "/me"): "users"}


def require_scope() -> None:
    """Refuse a key on a route for signed-in callers that its scopes do not reach."""
    app: Any = current_app
    spec = getattr(app.view_functions.get(request.endpoint or ""), "spec", None)
    if g.caller.scopes is None or spec is None or spec.action or spec.access == "anyone":
        return
    path = request.path.removeprefix(PREFIX)
    method = "GET" if request.method == "HEAD" else request.method
    resource = ACCOUNT.get((method, path)) or owner_of(path)
    if resource is None:
        raise Problem(403, "session_required")
    if f"{resource}:{'read' if method == 'GET' else 'write'}" not in g.caller.scopes:
        raise Problem(403, "missing_scope")


def owner_of(path: str) -> str | None:
    """Return the resource that a path belongs to, None where keys stay out."""
    fitting = [one for one in SCOPES if path == one or path.startswith(f"{one}/")]
    return SCOPES[max(fitting, key=len)] if fitting else None
