"""What only captions do: SubRip becomes WebVTT, which is checked."""

from typing import Any

from features.playback.subrip import is_subrip, to_webvtt
from features.playback.webvtt import BadCaptions, check_webvtt
from machine.http.problem import Problem

Document = dict[str, Any]


def check_new(documents: list[Document]) -> None:
    """Check the text of new captions."""
    for document in documents:
        check(document)


def check_change(updates: Document, original: Document) -> None:
    """Check a changed text."""
    if "text" in updates and updates["text"] != original["text"]:
        check(updates)


def check(document: Document) -> None:
    """Refuse what no player could read; note on the captions what their sender may not have meant."""
    warnings = []
    if is_subrip(document["text"]):
        document["text"] = to_webvtt(document["text"])
        warnings.append("It was converted from SubRip (SRT) to WebVTT.")
    try:
        if not check_webvtt(document["text"]):
            warnings.append("It has no cues: players will show nothing.")
    except BadCaptions as error:
        raise Problem(422, "bad_captions", issues={"text": str(error)}) from error
    document["warnings"] = warnings


RESOURCE = "captions"
HOOKS = {"on_insert": check_new, "on_update": check_change}
