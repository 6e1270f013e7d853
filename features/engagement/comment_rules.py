"""What only comments do: threads of one level, the video's comment policy, mentions, and placeholders."""

from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from clients import clock
from features.current import services, store
from features.engagement.mentions import find_mentioned
from features.engagement.threads import UNANSWERED, admit, empty_out, erase_last, require_welcome
from hooks import dry_run
from machine.current import g
from machine.http.problem import Problem

Document = dict[str, Any]


def welcome(documents: list[Document]) -> None:
    """Put new comments in their thread, hold what must be approved first, and refuse what is not wanted."""
    for document in documents:
        admit(store(), document, g.caller, g.write.place)


def note_edit(updates: Document, original: Document) -> None:
    """Note when a text was changed; where comments are approved first, so is the change."""
    if updates.get("text", original["text"]) == original["text"]:
        return
    updates["edited_at"] = clock.second()
    updates["mentions"] = find_mentioned(services().db, updates["text"])
    video = store().get("videos", original["video"])
    if original["status"] == "published" and require_welcome(services().db, video, g.caller) == "held":
        updates["status"] = "held"


def leave_placeholder(original: Document) -> None:
    """Keep the place of a comment that was answered, also a moment ago; what it said and who said it goes."""
    dry_run.stop("comments")
    if not original["counters"]["replies"] and store().erase("comments", original, match=UNANSWERED):
        # It may have been the last reply below a placeholder.
        erase_last(store(), original.get("parent"))
    elif empty_out(store(), original):
        # The last reply may have gone meanwhile: who deleted it saw no placeholder yet.
        erase_last(store(), original["_id"])
    else:
        raise Problem(412, "etag_mismatch")
    raise HTTPException(response=Response(status=204))


RESOURCE = "comments"
HOOKS = {
    "on_insert": welcome,
    "on_update": note_edit,
    "on_delete_item": leave_placeholder,
}
