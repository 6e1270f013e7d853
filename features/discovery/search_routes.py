"""Search over videos, channels and playlists, and suggestions while one types."""

from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from features.current import Document, app, reads, services, store
from features.discovery import ranking
from features.discovery.common_words import containing
from features.discovery.search import RELEVANCE, Sort, Wanted, engine_of
from features.discovery.suggestions import suggestions
from machine.access.rights import listed
from machine.edge.cache import FlaskBackend
from machine.edge.tags import list_tag
from machine.eve.endpoints import answer_read
from machine.http.moments import read_bound
from machine.http.route import Kept, noted_tags, route
from machine.http.shape import LINKS, TEXT, Shape, rows
from machine.read.cursor import beyond
from machine.read.documents import LONGEST_QUERY
from machine.read.feeds import PAGE_PARAMETERS, Feed
from machine.read.query import bad
from machine.text.folding import fold, fold_tag
from machine.text.languages import as_language
from settings import PREFIX

blueprint = Blueprint("search", __name__)
# A suggestion may be this old, unless something it is made of has changed.
SUGGESTED_SECONDS = 60
TYPES = {"video": "videos", "channel": "channels", "playlist": "playlists"}
LONGEST_TEXT = 200
LONGEST_START = 60
# Something other than what `str.strip` takes away, which is a little more than a pattern's \s.
START = {"type": "string", "minLength": 1, "maxLength": LONGEST_START, "pattern": r"[^\s\u001c-\u001f\u0085]"}
LONGEST_SECONDS = 1_000_000_000
NEWEST: dict[str, Sort] = {
    "videos": ranking.NEWEST,
    "channels": (("_id", -1),),
    "playlists": (("_id", -1),),
}
VIEWED: Sort = (("counters.views", -1), ("_id", -1))
# Where all words are common, this many of them, the rarest, must be contained.
MOST_COMMON = 2
SORTS = ("relevance", "newest", "views")
FILTERS = frozenset(
    {"tags", "match", "category", "language", "min_duration", "max_duration", "after", "before", "captions"}
)
EXTRA = frozenset({"q", "type", "sort"})


def parameter(name: str, **schema: Any) -> dict[str, Any]:
    """Describe a query parameter."""
    return {"name": name, "in": "query", "schema": schema or {"type": "string"}}


@route(
    blueprint, "GET", "/search", access="anyone", tag="search", summary="Search",
    description=(
        "Words match whole words, any of them; \"quotes\" make a phrase, a minus leaves a word out. Of a script "
        "without spaces, a run of more than two letters is a phrase. The filters are for videos. "
        "Without `q` the filters alone decide, newest first."
    ),
    answers={200: "A page: each item is a video, channel or playlist, with the `reason` it is there."},
    returns=Shape("SearchPage", {
        "_items": {"type": "list", "required": True, "schema": {"type": "dict"}}, "_links": LINKS,
        "_meta": {"type": "dict", "required": True},
    }),
    reasons=["bad_query", "bad_cursor"],
    kept=Kept(30, tuple(TYPES.values())),
    parameters=(
        *PAGE_PARAMETERS,
        parameter("q", type="string", maxLength=LONGEST_TEXT),
        parameter("type", enum=list(TYPES)),
        parameter("sort", enum=list(SORTS)),
        parameter("tags"),
        parameter("match", enum=["any", "all"]),
        parameter("category"),
        parameter("language"),
        parameter("min_duration", type="number", minimum=0, maximum=LONGEST_SECONDS),
        parameter("max_duration", type="number", minimum=0, maximum=LONGEST_SECONDS),
        parameter("after"),
        parameter("before"),
        parameter("captions", type="boolean"),
    ),
)  # fmt: skip
def search() -> Response:
    """Answer a page of a search with one query."""
    kind = chosen("type", tuple(TYPES))
    resource = TYPES[kind]
    words = request.args.get("q", "").replace("\0", " ").strip()
    if len(words) > LONGEST_TEXT:
        raise bad(f"q takes at most {LONGEST_TEXT} characters.")
    looked_up, common = services().common_words.without(words) if kind == "video" else (words, [])
    sort, order = read_order(resource, looked_up)
    scope = {name: value for name, value in request.args.items() if name not in ("cursor", "max_results")}
    scope["looked_up"] = looked_up
    feed = Feed(reads(), resource, scope, EXTRA | (FILTERS if kind == "video" else frozenset()))
    condition = {**feed.listed, **(read_filters() if kind == "video" else {})}
    if common and not looked_up:
        condition |= containing(common[:MOST_COMMON])
    position = feed.position()
    after = beyond(sort, position, frozenset()) if position else None
    shown = feed.projection(() if sort == RELEVANCE else sort)
    wanted = Wanted(
        resource,
        looked_up,
        condition,
        sort,
        after,
        feed.asked.limit,
        shown,
        store().registry[resource].searched,
    )
    stages = engine_of(services().settings).stages(wanted)
    feed.note_whole_list()
    whole = feed.asked.limit + 2
    rows = list(feed.collection().aggregate(stages, maxTimeMS=LONGEST_QUERY, batchSize=whole))
    reason = "match" if order == "relevance" else order
    return answer_read(feed.cut(rows, sort, lambda row: reason))


def chosen(name: str, allowed: tuple[str, ...]) -> str:
    """Read a parameter that is one of some words; the first is the default."""
    word = request.args.get(name, allowed[0])
    if word not in allowed:
        raise bad(f"Unknown {name}.", allowed=list(allowed))
    return word


def read_order(resource: str, words: str) -> tuple[Sort, str]:
    """Read the order; without words nothing is more relevant than anything else."""
    order = chosen("sort", SORTS)
    if order == "views" and resource != "playlists":
        return VIEWED, "views"
    if order == "relevance" and words:
        return RELEVANCE, order
    return NEWEST[resource], "newest"


def read_filters() -> Document:
    """Read the filters on videos."""
    args = request.args
    found: Document = {}
    tags = [tag for word in args.get("tags", "").split(",") if (tag := fold_tag(word))]
    if len(tags) > 20:
        raise bad("At most 20 tags.")
    every = chosen("match", ("any", "all")) == "all"
    if tags:
        found["tag_keys"] = {"$all" if every else "$in": tags}
    if args.get("category"):
        found["category"] = args["category"]
    if args.get("language"):
        found["language"] = as_language(args["language"])
    lengths = {"$gte": read_number("min_duration"), "$lte": read_number("max_duration")}
    dates = {"$gte": read_date("after"), "$lt": read_date("before")}
    for field, bounds in (("duration", lengths), ("published_at", dates)):
        given = {operator: value for operator, value in bounds.items() if value is not None}
        if given:
            found[field] = given
    if args.get("captions", "false").lower() not in ("0", "1", "false", "true"):
        raise bad("captions takes true or false.")
    if args.get("captions", "").lower() in ("1", "true"):
        found["counters.captions"] = {"$gt": 0}
    return found


def read_number(name: str) -> float | None:
    """Read a number of seconds."""
    if name not in request.args:
        return None
    try:
        number = float(request.args[name])
    except ValueError:
        number = -1.0
    if not 0 <= number <= LONGEST_SECONDS:
        raise bad(f"{name} takes a number of seconds.")
    return number


def read_date(name: str) -> datetime | None:
    """Read a moment, or a day."""
    if not request.args.get(name):
        return None
    try:
        return read_bound(request.args[name])
    except ValueError as error:
        raise bad(f"{name} {error}.") from error


@route(
    blueprint, "GET", "/search/suggestions", access="anyone", tag="search", summary="Complete what is being typed",
    answers={200: "`suggestions`: titles and handles that begin with it; without spaces, titles that hold it too."},
    reasons=["bad_query"],
    returns=Shape(
        "Suggestions", {"suggestions": rows({"type": TEXT, "text": TEXT, "_links": {**LINKS, "required": False}})},
    ),
    parameters=({**parameter("q", **START), "required": True},), kept=Kept(SUGGESTED_SECONDS, ("videos", "channels")),
)  # fmt: skip
def suggest() -> Response:
    """Return what begins with a text; remembered until a title or a handle changes."""
    typed = request.args.get("q", "").strip()
    if not 1 <= len(typed) <= LONGEST_START:
        raise bad(f"q takes 1 to {LONGEST_START} characters.")
    start = fold(typed)
    tags = (list_tag("videos", ()), list_tag("channels", ()))
    if (noted := noted_tags()) is not None:
        noted.update(tags)
    backend = cast(FlaskBackend, app().cache.cache)
    # What shows nothing is the beginning of no word.
    found = (
        backend.remember(f"suggest:{start}", tags, SUGGESTED_SECONDS, lambda: complete(start))
        if start
        else []
    )
    return answer_read({"suggestions": found})


def complete(start: str) -> list[Document]:
    """Find what a text that is being typed may become; each with the search for it."""
    rows = suggestions(services().db, listed(store().registry["videos"]), start)
    return [{**row, "_links": {"search": link_to(row)}} for row in rows]


def link_to(row: Document) -> Document:
    """Return the link to the search for a suggestion."""
    query = urlencode({"q": row["text"].lstrip("@"), "type": row["type"]})
    return {"href": f"{PREFIX}/search?{query}", "title": "Search for it"}
