"""Checks that an index serves every declared query: equalities first, then the sort, down to the id."""

from collections.abc import Mapping, Sequence
from typing import Any

from machine.declare.compile import compile_owner, compile_queries
from machine.declare.linting.complaints import Complaints
from machine.declare.resource import Query

Keys = Sequence[tuple[str, Any]]


def check_queries(definition: Mapping[str, Any], place: Complaints) -> None:
    """Hold each declared query against the declared indexes and MongoDB's own on `_id`."""
    policy = definition["policy"]
    indexes: list[Keys] = [
        index[0] if isinstance(index, tuple) else index
        for index in definition.get("mongo_indexes", {}).values()
    ]
    for number, query in enumerate(compile_queries(policy)):
        required, useful = equalities(policy, query)
        if not any(serves(index, required, useful, query.sort) for index in [*indexes, [("_id", 1)]]):
            wanted = [*sorted(required), *(f"{name} {way}" for name, way in query.sort)]
            place.at(str(number)).say(f"no index serves it; one on ({', '.join(wanted)}) would")


def equalities(policy: Mapping[str, Any], query: Query) -> tuple[set[str], set[str]]:
    """Return the fields an index must begin with, and those that it may hold before the sort."""
    folded = {shown: key for key, shown in policy.get("folded", {}).items()}
    required = {folded.get(name, name) for name in query.filter}
    owner, via = compile_owner(policy.get("owner"))
    if query.view == "owned" and owner and not (via and via[0] in query.filter):
        required.add(owner)
    view = set(policy.get("readable") or {}) if query.view == "public" else set()
    return required, required | view | {"deleted_at"}


def serves(index: Keys, required: set[str], useful: set[str], sort: Sequence[tuple[str, int]]) -> bool:
    """Tell whether an index delivers the filtered documents in this order without sorting them."""
    prefix = 0
    while prefix < len(index) and index[prefix][0] in useful and index[prefix][0] != sort[0][0]:
        prefix += 1
    if not required <= {name for name, _ in index[:prefix]}:
        return False
    tail = list(index[prefix : prefix + len(sort)])
    return tail == list(sort) or tail == [(name, -way) for name, way in sort]
