"""ETags in If-Match and If-None-Match: lists by RFC 9110, and a bare `_etag` as the body shows it."""

import re
from typing import NamedTuple

FORM = (
    'takes an ETag as the header of that name shows it, in its quotes, or `_etag` as the body shows it; '
    "several are divided by commas, and * is any"
)  # fmt: skip
# An entity-tag of section 8.8.3, or what our own would be without its quotes.
ONE = re.compile(r'(?:W/)?"([!#-~\x80-\xff]*)"|([0-9A-Za-z._-]+)')
SPACE = re.compile(r"[ \t]*")


class Tag(NamedTuple):
    """One ETag: its text without quotes, and whether it was sent as a tag; only `*` is not."""

    text: str
    quoted: bool = True


STAR = frozenset({Tag("*", quoted=False)})


def read_tags(header: str) -> frozenset[Tag]:
    """Return the ETags of a header, weak ones like strong ones, or STAR; ValueError if one cannot be an ETag."""
    if header.strip() == "*":
        return STAR
    found, at = set(), 0
    while at < len(header):
        at = after_space(header, at)
        one = ONE.match(header, at)
        if one:
            found.add(Tag(one[1] if one[2] is None else one[2]))
            at = after_space(header, one.end())
        if header[at : at + 1] not in ("", ","):
            raise ValueError(FORM)
        at += 1
    return frozenset(found)


def after_space(header: str, at: int) -> int:
    """Return where spaces and tabs end."""
    found = SPACE.match(header, at)
    return found.end() if found else at


def is_known(header: str, etag: str) -> bool:
    """Tell whether If-None-Match names a quoted ETag, by the weak comparison; what cannot be read names nothing."""
    try:
        tags = read_tags(header)
    except ValueError:
        return False
    return tags == STAR or Tag(etag.removeprefix("W/").strip('"')) in tags
