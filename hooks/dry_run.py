"""`Prefer: validate-only` (RFC 7240): everything is checked, nothing is written."""

from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException


def stop(resource: str, *documents: Any) -> None:
    """End a request that only wanted to be validated; it has passed every check by now."""
    wishes = {wish.strip().lower() for wish in request.headers.get("Prefer", "").split(",")}
    if "validate-only" in wishes:
        headers = {"Preference-Applied": "validate-only"}
        answer = Response(b'{"_status":"OK"}', 200, headers, mimetype="application/json")
        raise HTTPException(response=answer)
