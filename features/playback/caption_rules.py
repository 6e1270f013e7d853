"""What only captions do: the text must be WebVTT."""

from typing import Any

from features.playback.webvtt import BadCaptions, check_webvtt
from machine.http.problem import Problem

Document = dict[str, Any]


def check_new(documents: list[Document]) -> None:
    """Check the text of new captions."""
    for document in documents:
        check(document)


def check_change(updates: Document, original: Document) -> None:
    """Check a changed text."""
    if "text" in updates:
        check(updates)


def check(document: Document) -> None:
    """Refuse what no player could read."""
    try:
        check_webvtt(document["text"])
    except BadCaptions as error:
        raise Problem(422, "bad_captions", issues={"text": str(error)}) from error


RESOURCE = "captions"
HOOKS = {"on_insert": check_new, "on_update": check_change}
