"""Whether a document satisfies a filter, for the small part of MongoDB's language that declarations use."""

from collections.abc import Callable, Mapping
from typing import Any

Filter = Mapping[str, Any]

TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: value == wanted,
    "$ne": lambda value, wanted: value != wanted,
    "$in": lambda value, wanted: value in wanted,
    "$nin": lambda value, wanted: value not in wanted,
    "$exists": lambda value, wanted: (value is not None) is wanted,
}


def reach(document: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None where it leads nowhere."""
    value: Any = document
    for step in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def matches(document: Mapping[str, Any], wanted: Filter) -> bool:
    """Tell whether the document satisfies every condition; a list of values means any of them."""
    return all(satisfies(reach(document, path), condition) for path, condition in wanted.items())


def satisfies(value: Any, condition: Any) -> bool:
    """Tell whether one value satisfies one condition."""
    if isinstance(condition, Mapping):
        return all(TESTS[operator](value, wanted) for operator, wanted in condition.items())
    if isinstance(condition, list | tuple):
        return value in condition
    return bool(value == condition)


def as_query(wanted: Filter) -> dict[str, Any]:
    """Turn a declared filter into MongoDB's own form."""
    return {k: {"$in": list(v)} if isinstance(v, list | tuple) else v for k, v in wanted.items()}


def compile_filter(wanted: Filter) -> Callable[[Mapping[str, Any]], bool]:
    """Return `matches` for one filter as a function of the document: what can be settled beforehand is."""
    simple = []
    for path, condition in wanted.items():
        if "." in path or isinstance(condition, Mapping):
            return lambda document: matches(document, wanted)
        simple.append((path, tuple(condition) if isinstance(condition, list | tuple) else (condition,)))

    def test(document: Mapping[str, Any]) -> bool:
        for path, values in simple:  # noqa: SIM110  a loop is twice as fast as all() here
            if document.get(path) not in values:
                return False
        return True

    return test
