"""The parameters and headers that operations share, and the query parameters of each list."""

from collections.abc import Iterable
from typing import Any

from machine.declare.resource import Mount, Query, Resource
from machine.openapi.naming import nouns
from machine.read.query import LARGEST_PAGE, PAGE

Parameter = dict[str, Any]


def header(name: str, about: str, *, required: bool = False, **schema: Any) -> Parameter:
    """Describe a request header. No example: the page of the documentation would fill it in."""
    text = {"type": "string", **schema}
    return {"name": name, "in": "header", "description": about, "required": required, "schema": text}


SHARED = {
    "If-Match": header(
        "If-Match",
        "The ETag of the version you saw, or its `_etag`; `*` for any. Without it the answer is 428, with an old one "
        "412.",
        required=True,
    ),
    "If-None-Match": header(
        "If-None-Match", "The ETag of what you have; the answer is 304 when it is still the same."
    ),
    "Prefer": header(
        "Prefer", "`validate-only` checks everything and writes nothing (RFC 7240); other words mean nothing here."
    ),
    "Idempotency-Key": header(
        "Idempotency-Key",
        "A word of your own for this one act, such as a UUID. The same request sent again with it acts once.",
        minLength=1, maxLength=200, pattern="^[!-~]{1,200}$",
    ),
    "X-Request-Id": header(
        "X-Request-Id", "An id of your own, 8 to 64 of `A-Z a-z 0-9 . _ -`; it is echoed and logged."
    ),
}  # fmt: skip
HEADERS = {
    "X-Request-Id": "The id of the request: yours, or a new one.",
    "ETag": "The version of what is returned.",
    "Location": "The URL of what was created, or of what was asked for.",
    "Retry-After": "How many seconds to wait.",
    "WWW-Authenticate": "How to authenticate (RFC 6750).",
    "RateLimit": "How many requests are left, and when the count begins anew.",
    "RateLimit-Policy": "How many requests are allowed, in how many seconds.",
    "Preference-Applied": "`validate-only` when nothing was written.",
}


def shared_headers() -> dict[str, Any]:
    """Return the response headers as components."""
    return {name: {"description": about, "schema": {"type": "string"}} for name, about in HEADERS.items()}


def ref(*names: str) -> list[Parameter]:
    """Refer to shared parameters."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def queries_here(resource: Resource, mount: Mount | None) -> list[Query]:
    """Return the declared pairs that a list offers; below a parent, those that name the parent."""
    if mount is None:
        return resource.queries
    pins = {mount.field, *mount.filter}
    return [query for query in resource.queries if pins <= query.filter]


def list_parameters(resource: Resource, mount: Mount | None = None) -> list[Parameter]:
    """Describe the query parameters of a list."""
    queries = queries_here(resource, mount)
    pins = {mount.field, *mount.filter} if mount else set()
    filters = sorted(set().union(*(query.filter for query in queries)) - pins) if queries else []
    sorts = list(dict.fromkeys(sort_text(query) for query in queries))
    parameters = []
    if filters:
        parameters.append(where(filters))
    if sorts:
        about = "The order; `-` means descending. It goes with the filters as declared."
        parameters.append(query("sort", about, {"type": "string", "enum": sorts}))
        about = "Go on behind this value of the first key of the sort; it need not exist any more."
        parameters.append(query("after", about, {"type": "string"}))
    cursor = "Where the page begins: taken from `_links.next` or `_links.prev`, never made."
    parameters.append(query("cursor", cursor, {"type": "string", "maxLength": 2048}))
    size = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE}
    parameters.append(query("max_results", "How many items a page holds at most.", size))
    parameters += item_parameters(resource)
    if resource.keep_deleted and any(query.view == "owned" for query in queries):
        about = "`true`: list your own deleted ones instead, those that can be restored."
        parameters.append(query("deleted", about, {"type": "boolean", "default": False}))
    return parameters


def where(filters: list[str]) -> Parameter:
    """Describe the filter of a list."""
    names = ", ".join(f"`{name}`" for name in filters)
    about = (
        f"A filter as a JSON object over {names}. Comparisons: `$eq $ne $gt $gte $lt $lte $in $nin $exists`."
    )
    about += f' For example: `{{"{filters[0]}":{{"$exists":true}}}}`.'
    return query("where", about, {"type": "string", "maxLength": 2048})


def item_parameters(resource: Resource) -> list[Parameter]:
    """Describe the query parameters that items and lists share."""
    names = [field.name for field in resource.fields.values() if field.read != {"server"}]
    about = f"Only these fields, separated by commas: {', '.join(f'`{name}`' for name in names)}."
    parameters = [query("fields", about, {"type": "string", "pattern": words(names)})]
    if resource.embeds:
        inside = "; ".join(f"`{name}` ({', '.join(fields)})" for name, fields in resource.embeds.items())
        about = f"Put what these refer to in their place, separated by commas: {inside}."
        schema = {"type": "string", "pattern": words(resource.embeds)}
        parameters.append(query("embedded", about, schema))
    return parameters


def words(names: Iterable[str]) -> str:
    """Return the pattern of a comma-separated list of these words, or of nothing."""
    one = "|".join(names)
    return f"^(({one})(,({one}))*)?$"


def query(name: str, about: str, schema: dict[str, Any]) -> Parameter:
    """Describe a query parameter."""
    return {"name": name, "in": "query", "description": about, "required": False, "schema": schema}


def sort_text(one: Query) -> str:
    """Return a sort as clients write it, without the id that is always added."""
    return one.sort_text.removesuffix(",-_id").removesuffix(",_id")


def query_table(resource: Resource, mount: Mount | None = None) -> str:
    """Return the declared pairs as a table in Markdown."""
    pins = {mount.field, *mount.filter} if mount else set()
    of_whom = {
        "public": "what everyone may read", "owned": "your own", "all": "all, for those who oversee them",
        "hosted": f"all below your own {nouns(resource.readable_with or 'document')}", "deleted": "your own deleted",
    }  # fmt: skip
    rows = [
        f"| {', '.join(f'`{name}`' for name in sorted(one.filter - pins)) or 'none'} "
        f"| `{sort_text(one)}` | {of_whom.get(one.view, one.view)} |"
        for one in queries_here(resource, mount)
    ]
    return "\n".join(["| filter on | sort | lists |", "|---|---|---|", *rows]) if rows else ""
