"""What follows from writes to users, sessions and API keys: refusal at once."""

from typing import Any

from bson import ObjectId

from features.backend import Backend, backend_of
from features.identity.credentials import REACTIVATED, ROLE_CHANGED, SUSPENDED, end_credentials
from features.identity.sessions import REFRESH_TOKENS
from machine.declare.resource import Resource
from machine.write.store import Store

Document = dict[str, Any]
# A change of one of these changes what tokens already issued may do.
DECISIVE = ("role", "status", "username")


def watch(store: Store) -> None:
    """Listen to the store."""
    services = backend_of(store)

    def follow(resource: Resource, before: Document | None, after: Document | None, session: Any) -> None:
        if resource.name == "users" and before is not None:
            follow_user(store, before, after)
        elif resource.name == "sessions" and after is None and before is not None:
            end_session(services, before["_id"])
        elif resource.name == "api_keys" and after is None and before is not None:
            services.tokens.liveness.end_grants([before["_id"]])
            services.tokens.api_keys.forget([before["_id"]])

    store.effects.listeners.append(follow)


def follow_user(store: Store, before: Document, after: Document | None) -> None:
    """Make every process look at a changed user again, and end what the change ends."""
    user, changed = before["_id"], {name for name in DECISIVE if (after or {}).get(name) != before.get(name)}
    if changed:
        backend_of(store).tokens.liveness.change_user(user)
    if after is None:
        return  # the route that erases has ended everything; a cascade takes the rest
    if "role" in changed:
        end_credentials(store, ROLE_CHANGED, user)
    if "status" in changed:
        end_credentials(store, REACTIVATED if after.get("status") == "active" else SUSPENDED, user)


def end_session(services: Backend, session: ObjectId) -> None:
    """Refuse the access tokens of a session and delete its refresh tokens."""
    services.tokens.liveness.end_grants([session])
    services.db[REFRESH_TOKENS].delete_many({"session": session})
