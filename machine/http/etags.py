"""ETags in If-Match and If-None-Match: lists by RFC 9110, and a bare `_etag` as the body shows it."""

import re
from typing import NamedTuple

FORM = (
    'takes an ETag as the header of that name shows it, in its quotes, or `_etag` as the body shows it; '
    "several are divided by commas, and * is any"
)  # fmt: skip
# An entity-tag of section 8.8.3, or what our own would be without its quotes; then a comma or the end.
ONE = re.compile(r'[ \t]*(?:((?:W/)?)"([!#-~\x80-\xff]*)"|([0-9A-Za-z._-]+))?[ \t]*(?:,|\Z)')


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
        one = ONE.match(header, at)
        if one is None:
            raise ValueError(FORM)
        _, quoted, bare = one.groups()
        found |= {Tag(text) for text in (quoted, bare) if text is not None}
        at = one.end()
    return frozenset(found)


def is_known(header: str, etag: str) -> bool:
    """Tell whether If-None-Match names a quoted ETag, by the weak comparison; what cannot be read names nothing."""
    try:
        tags = read_tags(header)
    except ValueError:
        return False
    return tags == STAR or Tag(etag.removeprefix("W/").strip('"')) in tags
