"""What a video may state: chapters in order, and a moment of publication that has something to publish."""

from datetime import UTC
from typing import Any

from clients import clock
from machine.http.problem import Problem

Document = dict[str, Any]


def check_chapters(chapters: list[Document] | None, duration: float | None) -> None:
    """Refuse chapters that do not begin at 0, do not run forward, or begin after the end."""
    starts = [chapter["start"] for chapter in chapters or ()]
    if not starts:
        return
    if starts[0] != 0:
        raise Problem(422, "validation_failed", issues={"chapters": "the first one must start at 0"})
    if any(later <= earlier for earlier, later in zip(starts, starts[1:], strict=False)):
        raise Problem(422, "validation_failed", issues={"chapters": "each must start after the one before"})
    if duration is not None and starts[-1] >= duration:
        raise Problem(422, "validation_failed", issues={"chapters": "one starts after the end of the video"})


def check_publish_at(document: Document) -> None:
    """Refuse a moment of publication on what is public already, since it would hide nothing until then."""
    moment = document.get("publish_at")
    # Eve hands over what a client sent without its zone, which is UTC.
    if moment and moment.replace(tzinfo=UTC) > clock.now() and document.get("visibility") == "public":
        issues = {"publish_at": "a video that waits for its publication must be private or unlisted"}
        raise Problem(422, "validation_failed", issues=issues)
