"""What only videos do: chapters in order, and the moment of publication."""

from typing import Any

from features.playback.video_checks import check_chapters, check_publish_at

Document = dict[str, Any]


def check_new(documents: list[Document]) -> None:
    """Check what is stated of new videos."""
    for document in documents:
        check_chapters(document.get("chapters"), None)
        check_publish_at(document)


def check_change(updates: Document, original: Document) -> None:
    """Check a change."""
    check_chapters(updates.get("chapters"), original.get("duration"))
    check_publish_at({**original, **updates} if {"publish_at", "visibility"} & set(updates) else {})


RESOURCE = "videos"
HOOKS = {
    "on_insert": check_new,
    "on_update": check_change,
    "on_replace": check_change,
}
