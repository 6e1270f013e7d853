"""Whether a document satisfies a filter, for the small part of MongoDB's language that declarations use."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Filter = Mapping[str, Any]

TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: same(value, wanted),
    "$ne": lambda value, wanted: not same(value, wanted),
    "$in": lambda value, wanted: among(value, wanted),
    "$nin": lambda value, wanted: not among(value, wanted),
    "$exists": lambda value, wanted: (value is not None) is wanted,
}


def same(value: Any, wanted: Any) -> bool:
    """Tell whether two values are equal to MongoDB, for which True is not 1."""
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def among(value: Any, wanted: Iterable[Any]) -> bool:
    """Tell whether a value is one of these."""
    return any(same(value, one) for one in wanted)


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
        return among(value, condition)
    return same(value, condition)


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
