"""Whether all servers of a case answer the same in meaning; what they add of their own is left out."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from bench.cases import FLOORS, Case
from bench.servers import Fleet, fetch
from bench.world import World
from machine.services import Services

# What an envelope or an entry says of itself, each server in its own way.
ADDED = {"_links", "_status", "score", "reason"}
# What all must agree upon in a document that each has made for itself.
TOLD = ("author", "status", "text", "video")


class Disagreement(Exception):
    """Two servers answer differently."""


def agree(case: Case, fleet: Fleet, world: World) -> None:
    """Raise Disagreement unless every server answers the case as Marquee does."""
    if not case.compared:
        return
    wanted: Any = None
    for name in case.servers:
        if name in FLOORS and name != "floor_find":
            continue
        token = (world.token if name.startswith("marquee") else world.peer_token) if case.signed_in else ""
        body = case.bodies[0] if case.bodies else None
        status, answer, _ = fetch(fleet.url(name) + case.paths[0], case.method, body, token)
        if status not in case.statuses:
            raise Disagreement(f"{case.name}: {name} answers {status}: {answer[:300]!r}")
        meaning = read(orjson.loads(answer))
        if case.writes:
            meaning = {**dict.fromkeys(TOLD), **{name: meaning[name] for name in TOLD if name in meaning}}
        wanted = meaning if wanted is None else wanted
        if meaning != wanted:
            where = first_difference(wanted, meaning)
            raise Disagreement(f"{case.name}: {name} differs from {case.servers[0]}: {where}")


def read(answer: Any) -> Any:
    """Return what an answer says, whatever its form: dates as moments, nothing for null, no links."""
    if isinstance(answer, dict) and "_items" in answer:
        return [read(one) for one in answer["_items"]]
    if isinstance(answer, dict):
        return {
            name: moment(value) if is_moment(name) else read(value)
            for name, value in sorted(answer.items())
            if name not in ADDED and value is not None and value != [] and value != {}
        }
    return [read(one) for one in answer] if isinstance(answer, list) else answer


def is_moment(name: str) -> bool:
    """Tell whether a field holds a date."""
    return name.endswith("_at") or name in ("_created", "_updated")


def moment(text: str) -> datetime:
    """Read a date in ISO form or, as stock Eve writes them, that of RFC 1123."""
    read_at = parsedate_to_datetime(text) if text[:1].isalpha() else datetime.fromisoformat(text)
    return read_at.astimezone(UTC).replace(microsecond=0)


def first_difference(wanted: Any, given: Any, path: str = "") -> str:
    """Say where two answers differ first."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        for name in sorted(wanted.keys() | given.keys()):
            if wanted.get(name) != given.get(name):
                return first_difference(wanted.get(name), given.get(name), f"{path}.{name}")
    if isinstance(wanted, list) and isinstance(given, list):
        for number, (one, other) in enumerate(zip(wanted, given, strict=False)):
            if one != other:
                return first_difference(one, other, f"{path}[{number}]")
        return f"{path}: {len(wanted)} and {len(given)} entries"
    return f"{path}: {str(wanted)[:100]!r} and {str(given)[:100]!r}"


def fill_redis_floor(cases: list[Case], fleet: Fleet, services: Services) -> None:
    """Store the bytes that Marquee answers for the floor that does one GET."""
    for case in cases:
        for path in case.paths if "floor_redis" in case.servers and "marquee" in case.servers else ():
            name, _, query = path.partition("?")
            services.redis.set(f"floor:{name}?{query}", fetch(fleet.url("marquee") + path)[1])
