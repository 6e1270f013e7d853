"""The answer to a read, built in one way: for Flask's views, for pages that are kept, and for who is signed in."""

from collections.abc import Iterable
from dataclasses import dataclass

from machine.http.json_text import digest

Headers = list[tuple[str, str]]
JSON = "application/json"
# What every answer to a read says of itself.
COMMON = [("Vary", "Authorization, Accept-Encoding"), ("X-Content-Type-Options", "nosniff")]


@dataclass(slots=True)
class Answer:
    """What a 200 consists of: its validator, its body, and its other headers, but for those of the request."""

    etag: str
    headers: Headers
    body: bytes


def build_answer(
    body: bytes, stored_etag: str = "", *, private: bool, shared_seconds: float = 0, tags: Iterable[str] = ()
) -> Answer:
    """Build the answer to a read, with what caches in front of us may do with it.

    The validator is the digest of the bytes, so counters and links are part of it. An item's is `<stored>.<digest>`: a
    write compares only the first part, so that a like never breaks an editor's If-Match, and a 304 never hides a new
    number. `private`: it was read as somebody who is signed in. `shared_seconds`: for how long all processes may share
    it, built from what `tags` name; 0: they do not.
    """
    etag = f'"{stored_etag}.{digest(body)}"' if stored_etag else f'"{digest(body)}"'
    headers = [("Cache-Control", "private, no-cache" if private else "public, no-cache"), *COMMON]
    if shared_seconds:
        headers += [
            ("Surrogate-Control", f"max-age={int(shared_seconds)}"),
            ("Surrogate-Key", " ".join(sorted(tags))),
        ]
    return Answer(etag, headers, body)
