"""What only blocks do: a channel's block is its owner's to make, the site's a moderator's."""

from typing import Any

from flask import current_app, g

from policy.access import words_of
from policy.problem import Problem

Document = dict[str, Any]


def require_right(documents: list[Document]) -> None:
    """Refuse blocks on channels of others, and on the site by anyone below a moderator."""
    store: Any = current_app.store  # type: ignore[attr-defined]
    for document in documents:
        if document["user"] == g.caller.id:
            raise Problem(422, "validation_failed", issues={"user": "is yourself"})
        if document["scope"] == "site":
            if "moderator" not in words_of(g.caller):
                raise Problem(403, "forbidden")
            document["channel"] = None
            continue
        channel = store.get("channels", document["channel"]) if document.get("channel") else None
        if channel is None:
            raise Problem(422, "validation_failed", issues={"channel": "required field"})
        if channel["owner"] != g.caller.id:
            raise Problem(403, "not_owner", "The channel is not yours.")


HOOKS = {"on_insert": require_right}
