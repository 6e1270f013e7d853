"""Ownership: who may create here, and who may change this one. Fails closed."""

from typing import Any

from bson import ObjectId
from flask import Request

from machine.access.rights import as_writer, require_method, require_write
from machine.current import app, g
from machine.http.etags import STAR, read_tags
from machine.http.problem import Problem


def check_create(resource: str, request: Request) -> None:
    """Refuse creation to those whose role has no POST."""
    require_method(app().registry[resource], "POST", g.caller)


def check_change(resource: str, request: Request, lookup: dict[str, Any]) -> None:
    """Read the document for a write: 404 unless readable, 401 or 403 unless theirs, 428 or 412 by its ETag.

    It is read once: Eve's data layer is handed this very document, and the write compares and swaps on it.
    """
    compiled, reads = app().registry[resource], app().reads
    require_method(compiled, request.method, g.caller)
    writer = as_writer(compiled, request.method, g.caller)
    original, parent = reads.with_parent(resource, ObjectId(lookup["_id"]), writer)
    g.write.words = reads.words(compiled, original, writer, parent)
    require_write(compiled, request.method, g.caller, g.write.words)
    g.write.original = original
    check_etag(request, original["_etag"])


def check_etag(request: Request, stored: str) -> None:
    """Require If-Match, and hold the first part of its tags, the stored ETag, against the document.

    Weak tags count: what is compared names the version itself, and whoever compresses an answer weakens its tag.
    """
    try:
        tags = read_tags(request.headers.get("If-Match", ""))
    except ValueError as error:
        raise Problem(400, "bad_etag", f"If-Match {error}.") from error
    if not tags:
        raise Problem(428, "etag_required")
    if tags != STAR and stored not in {tag.text.split(".")[0] for tag in tags}:
        raise Problem(412, "etag_mismatch")
    # Eve compares the header with the stored ETag as text.
    request.environ["HTTP_IF_MATCH"] = f'"{stored}"'
