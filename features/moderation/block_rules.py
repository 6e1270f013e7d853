"""What only blocks do: a channel's block names its channel, the site's is a moderator's to make."""

from typing import Any

from bson import ObjectId

from machine.access.rights import words_of
from machine.current import g
from machine.http.problem import Problem
from machine.write.audit_trail import name_deed

Document = dict[str, Any]


def require_right(documents: list[Document]) -> None:
    """Refuse blocks on the site by anyone below a moderator, and blocks on nobody or oneself."""
    for document in documents:
        if document["user"] == g.caller.id:
            raise Problem(422, "validation_failed", issues={"user": "is yourself"})
        if document["scope"] == "site":
            if "moderator" not in words_of(g.caller):
                raise Problem(403, "forbidden")
            document["channel"] = None
            name_deed(document.setdefault("_id", ObjectId()), "site_blocked", user=document["user"])
        elif document.get("channel") is None:
            raise Problem(422, "validation_failed", issues={"channel": "required field"})


def name_end(original: Document) -> None:
    """Say in the audit log that somebody may take part again."""
    if original["scope"] == "site":
        name_deed(original["_id"], "site_unblocked", user=original["user"])


RESOURCE = "blocks"
HOOKS = {"on_insert": require_right, "on_delete_item": name_end}
