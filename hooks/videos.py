"""What only videos do: chapters in order, the moment of publication, and publication at a later moment."""

from typing import Any

from flask import current_app

from hooks._video_rules import check_chapters, check_publish_at
from policy.store import now
from tasks.publish import owe_publication

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


def plan_new(documents: list[Document]) -> None:
    """Owe the publication of new videos that name its moment."""
    for document in documents:
        plan(document)


def plan_change(updates: Document, original: Document) -> None:
    """Owe a publication whose moment was set or moved."""
    if "publish_at" in updates:
        plan({**original, **updates})


def plan(document: Document) -> None:
    """Owe the publication at its moment; an earlier job finds that the moment has moved, and ends."""
    if document.get("publish_at"):
        owe_publication(current_app.store, document)  # type: ignore[attr-defined]


HOOKS = {
    "on_insert": check_new,
    "on_inserted": plan_new,
    "on_update": check_change,
    "on_updated": plan_change,
    "on_replace": check_change,
    "on_replaced": plan_change,
}
