"""Answers every error, wherever it arises, with the one error body."""

from typing import Any

import structlog
from flask import Flask, Response, request
from pymongo.errors import (
    ConnectionFailure,
    ExecutionTimeout,
    InvalidDocument,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from machine.current import g
from machine.eve.render import dump
from machine.http.problem import Problem

log = structlog.get_logger(__name__)
OUTAGES = (
    ConnectionFailure,
    ServerSelectionTimeoutError,
    NetworkTimeout,
    WaitQueueTimeoutError,
    ExecutionTimeout,
)
# What MongoDB says of a search before `db migrate` has built its index.
NO_SUCH_INDEX = 27
# The reason that belongs to a plain HTTP error of Flask, Werkzeug or Eve.
REASON_OF_STATUS = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    410: "gone",
    411: "length_required",
    412: "etag_mismatch",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "validation_failed",
    428: "etag_required",
    429: "rate_limited",
    503: "unavailable",
}
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate", "Location")


def as_problem(error: BaseException) -> Problem:
    """Translate any exception; what is not known becomes a 500 without a word about its inside."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        status = error.code or 500
        problem = Problem(
            status, REASON_OF_STATUS.get(status, "bad_request" if status < 500 else "internal_error")
        )
        given = {name: value for name, value in error.get_headers() if name in KEPT_HEADERS}
        problem.headers = given
        return problem
    if isinstance(error, OUTAGES) or (isinstance(error, PyMongoError) and error.timeout):
        return Problem(503, "unavailable", headers={"Retry-After": "2"})
    if isinstance(error, OperationFailure) and error.code == NO_SUCH_INDEX:
        return Problem(503, "unavailable", headers={"Retry-After": "30"})
    if isinstance(error, InvalidDocument | OverflowError | UnicodeEncodeError):
        return Problem(400, "bad_request")
    return Problem(500, "internal_error")


def answer_problem(problem: Problem) -> Response:
    """Render a problem as application/problem+json."""
    body = problem.body(request.path, g.request_id)
    response = Response(dump(body), problem.code, mimetype="application/problem+json")
    response.headers.update(problem.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def handle(error: Exception) -> Any:
    """Answer an exception. Redirects of the router pass as they are."""
    if isinstance(error, RequestRedirect):
        return error
    problem = as_problem(error)
    if (problem.code or 500) >= 500:
        expected = isinstance(error, PyMongoError) and problem.code == 503
        log.error("request_failed", reason=problem.reason, error=type(error).__name__, exc_info=not expected)
    g.reason = problem.reason
    return answer_problem(problem)


def take_over(app: Flask) -> None:
    """Take over all error handling of the app."""
    app.register_error_handler(Exception, handle)
