"""A page of a list as it is answered: one envelope, the same links and cursors for lists, feeds and search."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from machine.access.caller import Caller
from machine.read.documents import Document, Tags
from machine.read.links import Link
from machine.read.query import Asked
from settings import PREFIX

HOME: Link = {"href": f"{PREFIX}/", "title": "home"}
TITLES = {"next": "next page", "prev": "previous page"}


@dataclass(slots=True)
class PageRequest:
    """Who asks what of a list, and the words for what they are to every document in it. `tags` are noted, if kept."""

    asked: Asked
    caller: Caller
    words: frozenset[str]
    tags: Tags


@dataclass(slots=True)
class ListUrl:
    """The URL of a list with its query, what the list is called there, and what it stands below."""

    path: str
    args: Mapping[str, str]
    title: str
    parent: Link


def list_page(items: list[Document], limit: int, url: ListUrl, cursors: Mapping[str, str]) -> dict[str, Any]:
    """Return the envelope of a page; `cursors`: of the pages around it, `next` and `prev`, where there are any."""
    links = {"self": {"href": with_query(url.path, url.args), "title": url.title}, "parent": url.parent}
    if cursors:
        others = {name: value for name, value in url.args.items() if name != "cursor"}
        for name, token in cursors.items():
            links[name] = {"href": with_query(url.path, {**others, "cursor": token}), "title": TITLES[name]}
    return {"_items": items, "_links": links, "_meta": {"max_results": limit}}


def with_query(path: str, args: Mapping[str, str]) -> str:
    """Return a path with its query string."""
    return f"{path}?{urlencode(args, quote_via=quote)}" if args else path
