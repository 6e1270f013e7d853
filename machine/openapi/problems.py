"""The answers that are errors: one schema, and per operation the reasons that it can have."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from machine.http.problem import Problem
from machine.http.reasons import REASONS
from machine.openapi.statuses import STATUSES
from machine.openapi.words import LINK

REQUEST_ID = "8f14e45fceea167a5a36dedd4bea2543"
HEADERS = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}
Reasons = dict[int, list[str]]


def problem_schema() -> dict[str, Any]:
    """Return the schema of the one error body."""
    text = {"type": "string"}
    error = {
        "type": "object",
        "properties": {"code": {"type": "integer"}, "message": text},
        "required": ["code", "message"],
    }
    return {
        "type": "object",
        "description": "The one error body (RFC 9457). `_status`, `_error` and `_issues` are for clients of Eve.",
        "properties": {
            "type": {"type": "string", "description": "Where the reason is explained."},
            "title": {"type": "string", "description": "The status in words."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What happened, for people."},
            "instance": {"type": "string", "description": "The path of the request."},
            "reason": {"type": "string", "enum": sorted(REASONS), "description": "What happened, for programs."},
            "request_id": {"type": "string", "description": "Tell it to the operator when you ask for help."},
            "issues": {
                "type": "object", "additionalProperties": {},
                "description": "What is wrong with each field.",
            },
            "_status": {"type": "string", "enum": ["ERR"]},
            "_error": error,
            "_issues": {"description": "The same as `issues`."},
        },
        "required": ["type", "title", "status", "detail", "instance", "reason", "request_id", "_status", "_error"],
        "example": example("validation_failed", 422),
    }  # fmt: skip


def example(reason: str, status: int) -> dict[str, Any]:
    """Return the error body of a reason."""
    issues = {"title": ["required field"]} if reason == "validation_failed" else None
    return Problem(status, reason, issues=issues).body(LINK["href"], REQUEST_ID)


def status_of(reason: str, access: str = "user") -> int:
    """Return the status that a reason travels with. A wrong secret is 401 only where one signs in with it."""
    if reason == "invalid_credentials":
        return 401 if access == "anyone" else 403
    return next((status for status, words in STATUSES.items() if reason in words), 400)


def statuses_of(reason: str) -> list[int]:
    """Return the statuses that a reason may travel with."""
    if reason == "invalid_credentials":
        return [401, 403]
    return [status_of(reason)]


def keyed() -> Reasons:
    """Return the reasons of an operation that takes an Idempotency-Key."""
    return {409: ["idempotency_key_in_use"], 422: ["idempotency_key_reused"]}


def sort_reasons(words: Iterable[str], access: str = "user") -> Reasons:
    """Sort reasons by their status."""
    found: Reasons = {}
    for word in words:
        found.setdefault(status_of(word, access), []).append(word)
    return found


def responses(
    reasons: Reasons, components: dict[str, Any], texts: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """Return the responses of these reasons; equal ones are one component."""
    made = {}
    for status, words in sorted(reasons.items()):
        words = list(dict.fromkeys(words))
        text = (texts or {}).get(status, "")
        name = ".".join([f"{HTTPStatus(status).phrase.replace(' ', '').replace('-', '')}", *sorted(words)])
        if text:
            made[str(status)] = response(status, words, text, components)
            continue
        if name not in components["responses"]:
            components["responses"][name] = response(status, words, text, components)
        made[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return made


def response(status: int, words: list[str], text: str, components: dict[str, Any]) -> dict[str, Any]:
    """Describe one error response."""
    for word in words:
        key = f"{word}.{status}"
        value = {"summary": REASONS[word], "value": example(word, status)}
        components["examples"].setdefault(key, value)
    lines = "\n".join(f"- `{word}`: {REASONS[word]}" for word in words)
    headers = ["X-Request-Id", *HEADERS.get(status, [])]
    return {
        "description": "\n\n".join(part for part in (text or f"{HTTPStatus(status).phrase}.", lines) if part),
        "headers": {header: {"$ref": f"#/components/headers/{header}"} for header in headers},
        "content": {"application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": {word: {"$ref": f"#/components/examples/{word}.{status}"} for word in words},
        }},
        "x-reasons": words,
    }  # fmt: skip
