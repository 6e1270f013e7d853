"""What only playlists do: the one that is built in stays, and stays private."""

from typing import Any

from machine.http.problem import Problem

Document = dict[str, Any]


def keep_built_in(original: Document) -> None:
    """Refuse to delete Watch later; its items can go."""
    if original["kind"] != "list":
        raise Problem(409, "illegal_state", "This playlist is built in; empty it instead.")


def keep_private(updates: Document, original: Document) -> None:
    """Refuse to show Watch later to others."""
    if original["kind"] != "list" and updates.get("visibility", "private") != "private":
        raise Problem(422, "validation_failed", issues={"visibility": "this playlist is private"})


RESOURCE = "playlists"
REASONS = {"DELETE": ["illegal_state"]}
HOOKS = {"on_delete_item": keep_built_in, "on_update": keep_private, "on_replace": keep_private}
