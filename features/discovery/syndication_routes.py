"""For other programs: an Atom feed per channel, oEmbed, and sitemaps. Public things only."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

from bson import ObjectId
from flask import Blueprint, Response, request

from clients import clock
from features.current import Document, reads, services, store
from features.discovery import syndication
from features.discovery.ranking import NEWEST
from machine.access.caller import ANONYMOUS
from machine.access.rights import listed
from machine.http.json_text import digest
from machine.http.moments import read_day
from machine.http.problem import Problem
from machine.http.route import action, route
from machine.http.shape import COUNT, TEXT, Shape
from machine.read.cursor import flip
from machine.read.documents import LONGEST_QUERY
from machine.read.query import bad
from settings import PREFIX

blueprint = Blueprint("syndication", __name__)
ENTRIES = 50
# The protocol's own limit.
PER_SITEMAP = 50_000
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
WIDTH, HEIGHT = 640, 360
OEMBED = Shape("OEmbed", {
    "version": {**TEXT, "allowed": ["1.0"]}, "type": {**TEXT, "allowed": ["link"]}, "title": TEXT,
    "author_name": {**TEXT, "nullable": True}, "author_url": TEXT, "provider_name": TEXT, "provider_url": TEXT,
    "cache_age": COUNT, "thumbnail_url": {"type": "string"}, "thumbnail_width": {"type": "integer"},
    "thumbnail_height": {"type": "integer"},
})  # fmt: skip


def api_url() -> str:
    """Return where the API is reached."""
    return services().settings.public_url + PREFIX


def answer(body: bytes, mimetype: str) -> Response:
    """Answer something public with its validator."""
    response = Response(body, mimetype=mimetype)
    response.set_etag(digest(body))
    response.headers["Cache-Control"] = "public, max-age=300"
    response.make_conditional(request)
    return response


@action(
    blueprint, "channels", "feed.atom", tag="syndication",
    answers={200: "The feed.", 304: "Nothing has changed."}, content="application/atom+xml",
)  # fmt: skip
def feed(doc: Document) -> Response:
    """Write the feed of a channel."""
    match = {**listed(store().registry["videos"]), "channel": doc["_id"]}
    videos = list(
        store().collection("videos").find(match).sort(list(NEWEST)).limit(ENTRIES).max_time_ms(LONGEST_QUERY)
    )
    own = f"{api_url()}/channels/{doc['_id']}/feed.atom"
    return answer(syndication.atom(doc, videos, api_url(), own), "application/atom+xml")


@route(
    blueprint, "GET", "/oembed", access="anyone", tag="syndication", summary="oEmbed",
    description="`url`: the address of a video here. JSON only.",
    answers={200: "oEmbed 1.0, type `link`, with the picture of the video."}, returns=OEMBED,
    reasons=["bad_query", "not_found", "not_acceptable"],
    parameters=(
        {"name": "url", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "format", "in": "query", "schema": {"enum": ["json"]}},
        {"name": "maxwidth", "in": "query", "schema": {"type": "integer"}},
        {"name": "maxheight", "in": "query", "schema": {"type": "integer"}},
    ),
)  # fmt: skip
def oembed() -> Any:
    """Describe a public video to a page that links to it."""
    if request.args.get("format", "json") != "json":
        raise Problem(406, "not_acceptable")
    video = reads().document("videos", read_video(request.args.get("url", "")), ANONYMOUS)
    channel = store().get("channels", video["channel"]) or {}
    width = min(WIDTH, read_size("maxwidth") or WIDTH, (read_size("maxheight") or HEIGHT) * WIDTH // HEIGHT)
    described = {
        "version": "1.0",
        "type": "link",
        "title": video["title"],
        "author_name": channel.get("name"),
        "author_url": f"{api_url()}/channels/{video['channel']}",
        "provider_name": "Marquee",
        "provider_url": services().settings.public_url,
        "cache_age": 300,
    }
    if video.get("thumbnail"):
        picture = f"{api_url()}/videos/{video['_id']}/thumbnail"
        size = {"thumbnail_width": width, "thumbnail_height": width * HEIGHT // WIDTH}
        described |= {"thumbnail_url": picture, **size}
    return described, 200, {"Cache-Control": "public, max-age=300"}


def read_video(url: str) -> ObjectId:
    """Return the id of the video that a URL of this platform names."""
    try:
        parts = urlsplit(url[:2000])
    except ValueError:
        parts = urlsplit("")
    head, _, tail = parts.path.removesuffix("/").rpartition("/")
    if not is_ours(parts) or head != f"{PREFIX}/videos" or len(tail) != 24 or not ObjectId.is_valid(tail):
        raise Problem(
            404, "not_found", f"This is no address of a video here, such as {api_url()}/videos/{'0' * 24}."
        )
    return ObjectId(tail)


def is_ours(parts: SplitResult) -> bool:
    """Tell whether an address is of this host, by http or https, or of none at all."""
    if not parts.netloc:
        return not parts.scheme
    own = urlsplit(services().settings.public_url)
    try:
        ports = {parts.port, own.port}
    except ValueError:
        return False
    same_port = len(ports) == 1 or ports <= {None, 80, 443}
    return parts.scheme in ("", "http", "https") and parts.hostname == own.hostname and same_port


def read_size(name: str) -> int | None:
    """Read a size in pixels."""
    text = request.args.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 100_000):
        raise bad(f"{name} takes a number of pixels.")
    return int(text)


@route(
    blueprint, "GET", "/sitemap.xml", root=True, access="anyone", tag="syndication", summary="The list of sitemaps",
    answers={200: "One address a month.", 304: "Nothing has changed."}, content="application/xml",
)  # fmt: skip
def sitemap_index() -> Response:
    """List the sitemaps: one per month of publication, so that those of the past never change."""
    # Null sorts first: without the bound, one that an older version has not stamped would hide all months but this.
    match = {**listed(store().registry["videos"]), "published_at": {"$gt": LONG_AGO}}
    first = store().collection("videos").find_one(match, {"published_at": 1}, sort=flip(NEWEST))
    begin = (first or {}).get("published_at") or clock.now()
    months = months_since(begin, clock.now())
    return answer(
        syndication.sitemap_index(f"{api_url()}/sitemaps/{month}.xml" for month in months), "application/xml"
    )


def months_since(begin: datetime, end: datetime) -> list[str]:
    """Return the months from one moment to another, as 2026-01."""
    count = (end.year - begin.year) * 12 + end.month - begin.month + 1
    numbers = (begin.year * 12 + begin.month - 1 + step for step in range(max(1, count)))
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in numbers]


@route(
    blueprint, "GET", "/sitemaps/<name>.xml", access="anyone", tag="syndication", summary="A sitemap",
    answers={200: "One address a video.", 304: "Nothing has changed."}, content="application/xml",
    reasons=["not_found"],
)  # fmt: skip
def sitemap(name: str) -> Response:
    """Write the addresses of the public videos of a month."""
    try:
        first = read_day(f"{name}-01")
        begin = datetime(first.year, first.month, 1, tzinfo=UTC)
        end = (begin + timedelta(days=32)).replace(day=1)
    except (ValueError, OverflowError) as error:
        raise Problem(404, "not_found") from error
    match = {**listed(store().registry["videos"]), "published_at": {"$gte": begin, "$lt": end}}
    rows = store().collection("videos").find(match, {"_updated": 1}).sort(list(NEWEST)).limit(PER_SITEMAP)
    places = [
        (f"{api_url()}/videos/{row['_id']}", row["_updated"]) for row in rows.max_time_ms(LONGEST_QUERY)
    ]
    return answer(syndication.sitemap(places), "application/xml")
