"""What holds where a declaration says nothing. The compiler fills it in, the lint refuses what only restates it."""

from collections.abc import Mapping
from typing import Any

LIST_METHODS = ["GET", "POST"]
ITEM_METHODS = ["GET", "PATCH", "PUT", "DELETE"]
# Every key of `policy`; tests hold this against the vocabulary of the lint.
POLICY: dict[str, Any] = {
    "owner": None,
    "people_only": False,
    "about": None,
    "roles": {},
    "readable": None,
    "readable_by_link": None,
    "readable_with": None,
    "readable_while": {},
    "fields": {},
    "folded": {},
    "searched": {},
    "queries": [],
    "embeds": {},
    "references": {},
    "counts": {},
    "states": {},
    "stamps": {},
    "actions": {},
    "mounts": {},
    "on_parent_delete": {},
    "beside": {},
    "soft_delete": {},
    "unique": [],
    "cache": 0,
    "events": [],
    "notices": {},
    "rate": None,
}
STATES: dict[str, Any] = {"deadlines": {}, "invariants": {}, "remembers": {}}
UNIQUE_INDEX = "one_each"


def said(policy: Mapping[str, Any], key: str) -> Any:
    """Return what a policy says under a key, or what holds where it says nothing."""
    return policy.get(key, POLICY[key])


def methods(definition: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the methods of the list and of the item."""
    return definition.get("resource_methods", LIST_METHODS), definition.get("item_methods", ITEM_METHODS)


def roles(definition: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the methods of each rank and relation where `roles` says nothing of it.

    Everyone reads and whoever is signed in creates; where nothing is readable by everyone, only who is signed in
    asks at all. The owner may do whatever an item offers.
    """
    on_list, on_item = methods(definition)
    create = ["POST"] if "POST" in on_list else []
    private = said(definition["policy"], "readable") is None
    return {
        "anonymous": [] if private else ["GET"],
        "user": ["GET", *create] if private else create,
        "moderator": [],
        "admin": [],
        "owner": on_item,
        "host": [],
    }


def view(policy: Mapping[str, Any]) -> str:
    """Return of which documents a list is: of one's own, where nothing is readable by everyone."""
    return "owned" if said(policy, "readable") is None else "public"


def writers(rules: Mapping[str, Any]) -> list[str]:
    """Return who writes a field: whoever may write the document, or the server alone."""
    return ["server"] if rules.get("readonly") else ["anyone"]


def field(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return what holds of a field with these rules."""
    return {"read": ["anyone"], "write": writers(rules), "pii": False}
