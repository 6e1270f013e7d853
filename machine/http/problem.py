"""The one error body: RFC 9457 members, our `reason` and `request_id`, and Eve's own keys beside them."""

from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import HTTPException

from machine.http.reasons import REASONS


class Problem(HTTPException):
    """An error a client can act on. `reason` is a word from the one table; `issues` maps fields to messages."""

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str = "",
        *,
        issues: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        sentence = REASONS[reason]
        super().__init__(description=detail or sentence)
        self.code = status
        self.reason = reason
        self.issues = issues
        self.extra = extra
        self.headers = headers or {}

    def body(self, instance: str, request_id: str) -> dict[str, Any]:
        """Build the JSON members (RFC 9457 section 3.1, then ours, then Eve's)."""
        status = self.code or 500
        body = {
            "type": f"/docs/errors#{self.reason}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": self.description,
            "instance": instance,
            "reason": self.reason,
            "request_id": request_id,
            **self.extra,
            "_status": "ERR",
            "_error": {"code": status, "message": self.description},
        }
        if self.issues is not None:
            body["issues"] = body["_issues"] = self.issues
        return body
