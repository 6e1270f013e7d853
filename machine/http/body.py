"""Checks the body: strict JSON of limited size and depth, before Eve or a route sees it."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from cerberus import TypeDefinition, Validator
from cerberus.errors import REGEX_MISMATCH
from flask import Request

from machine.http.moments import complaint, moment_or_same
from machine.http.problem import Problem
from machine.text.validation import TextRules

DEPTH = 20
BULK = 100
OFFERED = ("application/json", "application/problem+json")
JSON_TYPES = {"application/json", "application/merge-patch+json"}


class StrictRules(TextRules):
    """Makes a Cerberus validator mean what the rules say, and know the kinds of text.

    A pattern is of the whole text (Cerberus' own `$` lets a last newline pass), and JSON's true is no number, though
    Python thinks so. What is no date is told the form of one.
    """

    # Of Cerberus' validator, into which these rules are mixed.
    _error: Callable[..., None]
    _drop_remaining_rules: Callable[..., None]
    schema: Any
    types_mapping = {
        **Validator.types_mapping,
        "integer": TypeDefinition("integer", (int,), (bool,)),
        "float": TypeDefinition("float", (float, int), (bool,)),
    }

    def _validate_regex(self, pattern: str, field: str, value: Any) -> None:
        """{'type': 'string'}"""
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            form = self.schema[field].get("meta", {}).get("form")
            self._error(field, f"must be {form}" if form else REGEX_MISMATCH)

    def _validate_type(self, data_type: Any, field: str, value: Any) -> None:
        """{'type': ['string', 'list'], 'check_with': 'type'}"""
        if data_type == "datetime" and not isinstance(value, datetime):
            self._error(field, complaint(value))
            self._drop_remaining_rules()
        else:
            # Of Cerberus' validator, which comes after these rules in the order of classes and has no types.
            super()._validate_type(data_type, field, value)  # type: ignore[misc]


class BodyValidator(StrictRules, Validator):
    """Validates the body of an endpoint that is no resource; texts in fields for dates become dates first."""

    def __init__(self, schema: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(with_moments(schema) if isinstance(schema, dict) else schema, *args, **kwargs)

    def _normalize_coerce_moment(self, value: Any) -> Any:
        """Read a date; what is none is left for the check of its type."""
        return moment_or_same(value)


def with_moments(rules: dict[str, Any]) -> dict[str, Any]:
    """Return Cerberus rules in which each field for a date, however deep, reads it from its text."""
    inner = {name: with_moments(one) if isinstance(one, dict) else one for name, one in rules.items()}
    return {**inner, "coerce": "moment"} if rules.get("type") == "datetime" else inner


def require_json_wanted(request: Request) -> None:
    """Refuse clients that take anything but JSON (406)."""
    if "Accept" in request.headers and not request.accept_mimetypes.best_match(OFFERED):
        raise Problem(406, "not_acceptable")


def read_json(request: Request, largest: int, also: tuple[str, ...] = ()) -> Any:
    """Return the parsed body; refuse other types (415) but `also`, too much (413), truncation and junk (400)."""
    if request.mimetype not in JSON_TYPES and request.mimetype not in also:
        taken = " or ".join(["application/json", *also])
        raise Problem(415, "unsupported_media_type", f"Send {taken}.")
    declared = request.content_length
    if declared is not None and declared > largest:
        raise Problem(413, "body_too_large", f"At most {largest} bytes.")
    # Without a declared length Werkzeug counts while it reads, and stops with 413 at this many.
    request.max_content_length = largest
    raw = request.get_data(cache=True)
    if declared is not None and len(raw) != declared:
        raise Problem(400, "bad_request", "The body ended before its declared length.")
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "bad_json") from error
    check_shape(parsed, 1)
    return parsed


def check_shape(value: Any, depth: int) -> None:
    """Refuse what MongoDB must not store: operators, paths and NUL in names, integers beyond 64 bits."""
    if depth > DEPTH:
        raise Problem(400, "bad_json", f"The body is nested deeper than {DEPTH} levels.")
    if isinstance(value, dict):
        for name, inner in value.items():
            if not name or name[0] == "$" or "." in name or "\0" in name or len(name) > 100:
                raise Problem(400, "bad_json", "A field name is not allowed.")
            check_shape(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            check_shape(inner, depth + 1)
    elif isinstance(value, int | float) and not -(2**63) <= value < 2**63:
        raise Problem(400, "bad_json", "A number is out of range.")


def read_documents(request: Request, largest: int, *, bulk: bool) -> Any:
    """Return the document, or the list of documents, that a resource is sent."""
    parsed = read_json(request, largest)
    several = parsed if bulk and isinstance(parsed, list) else [parsed]
    if not several or len(several) > BULK:
        raise Problem(400, "bad_request", f"Send one to {BULK} documents.")
    if not all(isinstance(one, dict) for one in several):
        raise Problem(400, "bad_request", "Send a JSON object.")
    return parsed
