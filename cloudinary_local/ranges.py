"""Parts of a file by RFC 9110, section 14: one range, several as multipart/byteranges, or none that can be had."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from flask import Request, Response
from werkzeug.http import parse_date

from cloudinary_local.errors import ApiError

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")
_PIECE_BYTES = 256 * 1024
# Players ask for one, a PDF viewer for a handful. Many would be work without end for a few bytes (section 14.2).
MOST_RANGES = 16
MOST_OVERLAPS = 2
# Beyond any file: a number of more digits is not read out.
_FAR = 10**18
Span = tuple[int, int]


class Unsatisfiable(Exception):
    """None of the ranges lies within the file."""


def read_ranges(header: str, length: int) -> list[Span]:
    """Return the spans (first, end) that a Range header asks for; none where it is to be ignored.

    Ignored is what is invalid, of another unit, or asks for too much at once; Unsatisfiable where all begin beyond
    the end.
    """
    unit, sign, text = header.partition("=")
    specs = [spec.strip(" \t") for spec in text.split(",", MOST_RANGES * 2)]
    found = [_SPEC.fullmatch(spec) for spec in specs if spec]
    if unit.strip().lower() != "bytes" or not sign or not 1 <= len(found) <= MOST_RANGES:
        return []
    spans = []
    for one in found:
        if one is None or one[0] == "-" or (one[1] and one[2] and _number(one[2]) < _number(one[1])):
            return []
        if one[1]:
            spans.append((_number(one[1]), min(_number(one[2]) + 1 if one[2] else length, length)))
        else:
            spans.append((max(0, length - _number(one[2])), length))
    within = [(first, end) for first, end in spans if first < min(end, length)]
    if not within:
        raise Unsatisfiable
    return within if _overlaps(within) <= MOST_OVERLAPS else []


def _number(digits: str) -> int:
    return int(digits) if len(digits) <= 18 else _FAR


def _overlaps(spans: list[Span]) -> int:
    ordered = sorted(spans)
    return sum(later[0] < earlier[1] for earlier, later in zip(ordered, ordered[1:], strict=False))


def in_part(request: Request, response: Response, path: Path) -> Response:
    """Return the part of a file that was asked for, or the whole `response` where none was or may be had."""
    response.headers["Accept-Ranges"] = "bytes"
    asked = request.headers.get("Range")
    if request.method != "GET" or response.status_code != 200 or not asked or not _is_same(request, response):
        return response
    length = path.stat().st_size
    try:
        spans = read_ranges(asked, length)
    except Unsatisfiable as error:
        response.close()
        headers = {"Content-Range": f"bytes */{length}", "Accept-Ranges": "bytes"}
        raise ApiError(416, "Requested Range Not Satisfiable", headers) from error
    if not spans:
        return response
    response.close()
    return _send_parts(response, path, spans, length)


def _is_same(request: Request, response: Response) -> bool:
    """Tell whether what the client has parts of is this file (If-Range, by the strong comparison)."""
    known = request.headers.get("If-Range", "").strip()
    if not known:
        return True
    if known.startswith(('"', "W/")):
        return known == response.headers.get("ETag")
    return parse_date(known) is not None and parse_date(known) == response.last_modified


def _send_parts(whole: Response, path: Path, spans: list[Span], length: int) -> Response:
    kind = whole.headers["Content-Type"]
    headers = {name: value for name, value in whole.headers if name not in ("Content-Length", "Content-Type")}
    if len(spans) == 1:
        first, end = spans[0]
        headers |= {"Content-Range": f"bytes {first}-{end - 1}/{length}", "Content-Length": str(end - first)}
        return Response(_read(path, first, end), 206, headers, content_type=kind)
    boundary = secrets.token_hex(16)
    heads = [
        f"\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: bytes {first}-{end - 1}/{length}\r\n\r\n".encode()
        for first, end in spans
    ]
    tail = f"\r\n--{boundary}--\r\n".encode()
    size = len(tail) + sum(map(len, heads)) + sum(end - first for first, end in spans)

    def parts() -> Iterator[bytes]:
        for head, (first, end) in zip(heads, spans, strict=True):
            yield head
            yield from _read(path, first, end)
        yield tail

    headers["Content-Length"] = str(size)
    return Response(parts(), 206, headers, content_type=f"multipart/byteranges; boundary={boundary}")


def _read(path: Path, first: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        while first < end and (piece := file.read(min(_PIECE_BYTES, end - first))):
            first += len(piece)
            yield piece
