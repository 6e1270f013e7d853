"""The fields of a request, whatever their encoding, as text and lists of text."""

import json
import re
from typing import Any

from flask import Request

from cloudinary_local.errors import bad_request

_INDEXED = re.compile(r"(.+)\[\d*\]")
_TRUE = {"1", "true", "True"}
_PUBLIC_ID_BAD = re.compile(r"[\x00-\x1f\x7f?&#%<>\\]")
MAX_PUBLIC_ID = 255
MAX_RESULTS = 500


class Fields(dict[str, Any]):
    """Request fields; every value is a text or a list of texts."""

    def text(self, name: str, default: str = "") -> str:
        """Return a field as one text."""
        value = self.get(name, default)
        return ",".join(value) if isinstance(value, list) else value

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a field as a truth value."""
        return self.text(name) in _TRUE if self.get(name) else default

    def parts(self, name: str) -> list[str]:
        """Return a field as a list; a text is split at commas."""
        value = self.get(name, [])
        parts = value if isinstance(value, list) else value.split(",")
        return [part.strip() for part in parts if part.strip()]

    def ids(self, name: str) -> list[str]:
        """Return a list of names, which may hold commas of their own."""
        value = self.get(name, [])
        return value if isinstance(value, list) else [value]

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number within bounds; 400 if it is not one."""
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(r"-?\d{1,15}", text):
            raise bad_request(f"Invalid value for parameter {name}: {text[:40]}")
        return max(least, min(int(text), most))


def read_fields(request: Request) -> Fields:
    """Collect query, form and JSON fields; `a[]` and `a[0]` become lists. Files are left out."""
    fields = Fields()
    for source in (request.args, request.form):
        for name, values in source.lists():
            found = _INDEXED.fullmatch(name)
            if found:
                fields[found[1]] = [*_as_list(fields.get(found[1])), *values]
            else:
                fields[name] = values[-1]
    if request.mimetype == "application/json":
        fields |= _json_fields(request)
    for name, value in fields.items():
        _check_text(name, value)
    return fields


def _as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else []


def _json_fields(request: Request) -> dict[str, Any]:
    raw = request.get_data()
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise bad_request("Malformed JSON body") from error
    if not isinstance(body, dict):
        raise bad_request("JSON body must be an object")
    return {name: _from_json(value) for name, value in body.items() if value is not None}


def _from_json(value: Any) -> str | list[str]:
    if isinstance(value, list):
        return [one if isinstance(one, str) else json.dumps(one) for one in value]
    if isinstance(value, str):
        return value
    return json.dumps(value)


def _check_text(name: str, value: Any) -> None:
    for text in (name, *(value if isinstance(value, list) else [value])):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise bad_request("Parameters must be valid UTF-8") from error


def check_public_id(public_id: str) -> str:
    """Refuse names that could not stand in a URL; return the name."""
    parts = public_id.split("/")
    if (
        not public_id
        or len(public_id.encode()) > MAX_PUBLIC_ID
        or public_id != public_id.strip()
        or _PUBLIC_ID_BAD.search(public_id)
        or any(part in {"", ".", ".."} for part in parts)
    ):
        raise bad_request(f"public_id ({_printable(public_id)}) is invalid")
    return public_id


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:80])


def parse_pairs(text: str) -> dict[str, str]:
    """Parse `key=value|key=value`, where a backslash guards the separators."""
    pairs: dict[str, str] = {}
    for part in re.split(r"(?<!\\)\|", text):
        if not part:
            continue
        name, found, value = _split_pair(part)
        if not found or not name:
            raise bad_request(f"Invalid key-value pair: {part[:80]}")
        pairs[name] = value
    return pairs


def _split_pair(part: str) -> tuple[str, bool, str]:
    found = re.search(r"(?<!\\)=", part)
    if not found:
        return part, False, ""
    name, value = part[: found.start()], part[found.end() :]
    return _unescape(name), True, _unescape(value)


def _unescape(text: str) -> str:
    return re.sub(r"\\([|=\"\\])", r"\1", text)


def parse_boxes(text: str) -> list[list[int]]:
    """Parse `x,y,w,h|x,y,w,h`; 400 for anything else."""
    boxes = []
    for part in filter(None, text.split("|")):
        if not re.fullmatch(r"-?\d{1,6}(,-?\d{1,6}){3}", part):
            raise bad_request(f"Invalid coordinates: {part[:80]}")
        boxes.append([int(one) for one in part.split(",")])
    return boxes
