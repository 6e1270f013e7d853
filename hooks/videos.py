"""What only videos do: chapters in order, and the moment of publication."""

from typing import Any

from hooks._video_rules import check_chapters, check_publish_at
from policy.store import now

Document = dict[str, Any]


def check_new(documents: list[Document]) -> None:
    """Check what is stated of new videos."""
    for document in documents:
        check_chapters(document.get("chapters"), None)
        check_publish_at(document)


def check_change(updates: Document, original: Document) -> None:
    """Check a change; what becomes public while READY is published now."""
    check_chapters(updates.get("chapters"), original.get("duration"))
    check_publish_at({**original, **updates} if {"publish_at", "visibility"} & set(updates) else {})
    becomes_public = updates.get("visibility") == "public" and original["status"] == "READY"
    if becomes_public and not original.get("published_at"):
        updates["published_at"] = now()


HOOKS = {
    "on_insert": check_new,
    "on_update": check_change,
    "on_replace": check_change,
}
