"""Checks the query string: every parameter is known, typed and declared before anything reaches MongoDB."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from bson import ObjectId
from werkzeug.datastructures import MultiDict

from machine.declare.resource import Resource, read_sort
from machine.http.moments import read_bound
from machine.http.problem import Problem
from machine.text.languages import as_language

PAGE, LARGEST_PAGE = 25, 100
WHERE_BYTES, WHERE_DEPTH, IN_LENGTH = 2048, 3, 100
COMPARISONS = {"$eq", "$ne", "$gt", "$gte", "$lt", "$lte"}
LISTS = {"$in", "$nin"}
FLAGS = {"true": True, "1": True, "false": False, "0": False}
JUNCTIONS = {"$and", "$or"}
ITEM_PARAMETERS = frozenset({"fields", "embedded"})
LIST_PARAMETERS = ITEM_PARAMETERS | {"where", "sort", "cursor", "max_results", "deleted", "after"}


@dataclass
class Asked:
    """What a client asks of a list or an item, checked and typed."""

    where: dict[str, Any] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    sort: tuple[tuple[str, int], ...] | None = None
    limit: int = PAGE
    cursor: str | None = None
    fields: frozenset[str] | None = None
    embedded: tuple[str, ...] = ()
    deleted: bool = False
    after: str | None = None


def bad(detail: str, **extra: Any) -> Problem:
    """Build the 400 of a wrong parameter."""
    return Problem(400, "bad_query", detail, **extra)


def read_asked(resource: Resource, args: MultiDict[str, str], allowed: frozenset[str]) -> Asked:
    """Read and check the query parameters of a request."""
    asked = Asked()
    if not args:
        return asked
    require_known(args, allowed)
    if args.get("where"):
        asked.where, asked.names = read_where(resource, args["where"])
    if "sort" in args:
        asked.sort = read_sort_parameter(resource, args["sort"])
    if "max_results" in args:
        asked.limit = read_limit(args["max_results"])
    asked.cursor = args.get("cursor") or None
    if args.get("fields"):
        asked.fields = read_fields(resource, args["fields"])
    if args.get("embedded"):
        asked.embedded = read_embedded(resource, args["embedded"])
    asked.after = args.get("after") or None
    if "deleted" in args:
        asked.deleted = read_flag("deleted", args["deleted"])
    return asked


def require_known(args: MultiDict[str, str], allowed: frozenset[str]) -> None:
    """Refuse parameters that are unknown or given twice."""
    for name in args:
        if name not in allowed:
            raise bad(f"Unknown parameter {name[:40]!r}.", allowed=sorted(allowed))
        if len(args.getlist(name)) > 1:
            raise bad(f"The parameter {name!r} is given more than once.")


def read_flag(name: str, text: str) -> bool:
    """Read true or false."""
    if text.lower() not in FLAGS:
        raise bad(f"{name} must be true or false.")
    return FLAGS[text.lower()]


def read_limit(text: str) -> int:
    """Read max_results: a whole number from 1 to 100."""
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= LARGEST_PAGE):
        raise bad(f"max_results must be a whole number from 1 to {LARGEST_PAGE}.")
    return int(text)


def read_sort_parameter(resource: Resource, text: str) -> tuple[tuple[str, int], ...]:
    """Read a sort and hold it against the declared ones."""
    offered = {query.sort for query in resource.queries}
    sort = read_sort(text) if len(text) <= 100 else ()
    if sort not in offered:
        raise Problem(
            400, "query_not_declared", "This sort is not offered.", allowed=allowed_queries(resource)
        )
    return sort


def allowed_queries(resource: Resource) -> list[dict[str, Any]]:
    """Describe the declared pairs for an error body."""
    return [{"filter": sorted(q.filter), "sort": q.sort_text.removesuffix(",-_id").removesuffix(",_id")}
            for q in resource.queries]  # fmt: skip


def read_fields(resource: Resource, text: str) -> frozenset[str]:
    """Read `fields=title,tags`. Whether the caller may read each is decided per document."""
    names = frozenset(word.strip() for word in text.split(",") if word.strip())
    known = {f.name for f in resource.fields.values() if f.read != {"server"}}
    if not names or not names <= known:
        raise bad(
            "Unknown field in `fields`.", allowed=sorted(f.name for f in resource.fields.values() if f.public)
        )
    return names


def read_embedded(resource: Resource, text: str) -> tuple[str, ...]:
    """Read `embedded=channel,owner`, or Eve's form `embedded={"channel":1}`."""
    if text.startswith("{"):
        chosen = parse_json(text, "embedded")
        names = tuple(name for name, on in chosen.items() if on) if isinstance(chosen, dict) else ("",)
    else:
        names = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not set(names) <= set(resource.embeds):
        raise bad("This cannot be embedded.", allowed=sorted(resource.embeds))
    return names


def parse_json(text: str, parameter: str) -> Any:
    """Parse a JSON parameter."""
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise bad(f"{parameter} is not valid JSON.") from error


def read_where(resource: Resource, text: str) -> tuple[dict[str, Any], set[str]]:
    """Read a filter; return it for MongoDB with the names it mentions."""
    if len(text.encode(errors="replace")) > WHERE_BYTES:
        raise bad(f"where is longer than {WHERE_BYTES} bytes.")
    parsed = parse_json(text, "where")
    if not isinstance(parsed, dict):
        raise bad("where must be a JSON object.")
    names: set[str] = set()
    return read_conditions(resource, parsed, names, 1), names


def read_conditions(
    resource: Resource, given: Mapping[str, Any], names: set[str], depth: int
) -> dict[str, Any]:
    """Check one level of a filter."""
    if depth > WHERE_DEPTH:
        raise bad(f"where is nested deeper than {WHERE_DEPTH} levels.")
    out: dict[str, Any] = {}
    for name, value in given.items():
        if name in JUNCTIONS:
            if (
                not isinstance(value, list)
                or not 1 <= len(value) <= 10
                or not all(isinstance(v, dict) for v in value)
            ):
                raise bad(f"{name} takes a list of one to ten objects.")
            out[name] = [read_conditions(resource, one, names, depth + 1) for one in value]
        else:
            key, condition = read_condition(resource, name, value)
            out[key] = condition
            names.add(name)
    return out


def read_condition(resource: Resource, name: str, value: Any) -> tuple[str, Any]:
    """Check one condition; a folded field is looked up through its folded copy."""
    offered = set().union(*(q.filter for q in resource.queries)) if resource.queries else set()
    if name not in offered:
        raise Problem(
            400, "query_not_declared", f"No filter on {name[:40]!r}.", allowed=allowed_queries(resource)
        )
    folded = next((key for key, shown in resource.folded.items() if shown == name), None)

    def typed(one: Any) -> Any:
        typed_value = read_value(resource, name, one)
        return resource.fold(name, typed_value) if folded and isinstance(typed_value, str) else typed_value

    if not isinstance(value, dict):
        return folded or name, typed(value)
    condition: dict[str, Any] = {}
    for operator, operand in value.items():
        if operator in COMPARISONS:
            condition[operator] = typed(operand)
        elif operator in LISTS and isinstance(operand, list) and len(operand) <= IN_LENGTH:
            condition[operator] = [typed(one) for one in operand]
        elif operator == "$exists" and isinstance(operand, bool):
            condition[operator] = operand
        else:
            raise bad(
                "Unknown or misused operator.", allowed=sorted(COMPARISONS | LISTS | JUNCTIONS | {"$exists"})
            )
    if not condition:
        raise bad(f"Empty condition on {name!r}.")
    return folded or name, condition


def read_value(resource: Resource, name: str, value: Any) -> Any:
    """Convert one value to the type of its field."""
    kind = resource.fields[name].type
    if value is None:
        return None
    if kind == "list":
        kind = resource.schema[name].get("schema", {}).get("type", "string")
    try:
        read = READERS[kind](value)
        return as_language(read) if resource.schema.get(name, {}).get("coerce") == "language" else read
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        wrong = str(error) if kind == "datetime" else f"is not of type {kind}"
        raise bad(f"The value for {name!r} {wrong}.") from error


def read_after(resource: Resource, name: str, text: str) -> Any:
    """Read `after`: a value of the first sort key, from which a list goes on. It need not exist any more."""
    field = resource.fields.get(name)
    kind = field.type if field else "integer"
    try:
        return READERS[kind](int(text) if kind in ("integer", "number") else text)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        wrong = f" It {error}." if kind == "datetime" else ""
        raise bad(f"after takes a value of {name!r}, the first key of this sort.{wrong}") from error


def read_objectid(value: Any) -> ObjectId:
    """Read 24 hex digits."""
    if not isinstance(value, str) or len(value) != 24:
        raise ValueError("not an id")
    return ObjectId(value) if ObjectId.is_valid(value) else reject()


def read_exact(*types: type) -> Any:
    """Make a reader that takes a value of exactly these types."""

    def read(value: Any) -> Any:
        if type(value) not in types or (type(value) is int and not -(2**63) <= value < 2**63):
            raise ValueError("wrong type")
        return value

    return read


def reject() -> Any:
    """Refuse a value."""
    raise ValueError("not valid")


READERS: dict[str, Any] = {
    "objectid": read_objectid,
    "datetime": read_bound,
    "string": read_exact(str),
    "integer": read_exact(int),
    "number": read_exact(int, float),
    "boolean": read_exact(bool),
}
