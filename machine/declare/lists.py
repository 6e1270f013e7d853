"""Whose documents there are and which lists of them: what the compiler and the derivation of indexes both read."""

from collections.abc import Mapping
from typing import Any

from machine.declare import defaults
from machine.declare.resource import Query, read_sort


def compile_owner(path: str | None) -> tuple[str | None, tuple[str, str] | None]:
    """Read `owner` or `channel.owner`: the field stamped on the document, and the way to it if indirect."""
    if path and "." in path:
        reference, theirs = path.split(".")
        return "owner", (reference, theirs)
    return path, None


def compile_queries(policy: Mapping[str, Any]) -> list[Query]:
    """Compile the declared pairs; where nothing is readable by everyone, lists are of one's own."""
    return [
        Query(frozenset(one["filter"]), read_sort(one["sort"]), one.get("view", defaults.view(policy)))
        for one in defaults.said(policy, "queries")
    ]
