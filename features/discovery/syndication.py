"""Atom (RFC 4287), oEmbed 1.0 and sitemaps 0.9: written by a library, so that everything is escaped."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

ATOM = "http://www.w3.org/2005/Atom"
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
# What XML 1.0 cannot hold at all.
UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Document = Mapping[str, Any]


def clean(text: str | None) -> str:
    """Leave out the characters that XML cannot hold."""
    return UNWRITABLE.sub("", text or "")


def write_moment(moment: datetime | None) -> str:
    """Write a moment as RFC 3339."""
    return (moment or datetime.fromtimestamp(0, UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def add(parent: Element, name: str, text: str | None = None, **attributes: str) -> Element:
    """Add an element."""
    element = SubElement(parent, name, attributes)
    element.text = clean(text) if text is not None else None
    return element


def atom(channel: Document, videos: Sequence[Document], base: str, own: str) -> bytes:
    """Write the feed of a channel: its newest videos. `base` is where the API is reached, `own` this feed."""
    feed = Element("feed", xmlns=ATOM)
    home = f"{base}/channels/{channel['_id']}"
    add(feed, "id", home)
    add(feed, "title", channel["name"])
    add(feed, "subtitle", channel.get("description"))
    add(feed, "updated", write_moment(published(videos[0]) if videos else channel["_created"]))
    add(feed, "link", rel="self", type="application/atom+xml", href=own)
    add(feed, "link", rel="alternate", type="application/json", href=home)
    add(add(feed, "author"), "name", channel["name"])
    for video in videos:
        entry, href = add(feed, "entry"), f"{base}/videos/{video['_id']}"
        add(entry, "id", href)
        add(entry, "title", video["title"])
        add(entry, "published", write_moment(published(video)))
        add(entry, "updated", write_moment(video["_updated"]))
        add(entry, "link", rel="alternate", type="application/json", href=href)
        add(entry, "summary", video.get("description") or "", type="text")
        for tag in video.get("tags") or []:
            add(entry, "category", term=clean(tag))
    return write(feed)


def published(video: Document) -> datetime:
    """Return when a video was published; where an older version has not noted that, when it came."""
    moment: datetime = video.get("published_at") or video["_created"]
    return moment


def sitemap(places: Iterable[tuple[str, datetime | None]]) -> bytes:
    """Write a sitemap of (address, last change)."""
    root = Element("urlset", xmlns=SITEMAP)
    for address, changed in places:
        url = add(root, "url")
        add(url, "loc", address)
        if changed:
            add(url, "lastmod", write_moment(changed))
    return write(root)


def sitemap_index(addresses: Iterable[str]) -> bytes:
    """Write the list of sitemaps."""
    root = Element("sitemapindex", xmlns=SITEMAP)
    for address in addresses:
        add(add(root, "sitemap"), "loc", address)
    return write(root)


def write(root: Element) -> bytes:
    """Write a document in UTF-8."""
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text
