"""Who is told of a document: the words of `notices`, compiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Followers:
    """Everybody who owns a document of resource `of` that satisfies `when` and has the same value in the field `by`."""

    of: str
    by: str
    when: Mapping[str, Any]


@dataclass(frozen=True)
class Notice:
    """Who is told of a document: the people of a field, its `owner`, its `host`, or followers.

    Without `on` each of them is told once, as soon as they are among them; with it once at each such moment. It is
    told only while the document satisfies `when`. Unread ones with the same value of the field `by` are one.
    """

    kind: str
    to: str | Followers
    by: str
    when: Mapping[str, Any]
    on: frozenset[str]


def compile_notices(declared: Mapping[str, Mapping[str, Any]]) -> list[Notice]:
    """Compile the kinds of notices of a resource, in their order."""
    return [compile_notice(kind, words) for kind, words in declared.items()]


def compile_notice(kind: str, words: Mapping[str, Any]) -> Notice:
    """Compile who is told of a document."""
    to = words["to"]
    if isinstance(to, Mapping):
        to = Followers(to["of"], to["by"], to.get("when", {}))
    return Notice(kind, to, words["by"], words.get("when", {}), frozenset(words.get("on", [])))
