"""Writes that lose: against somebody else's change of the same document, or against a unique index."""

import random
import time
from collections.abc import Iterator

from pymongo.errors import BulkWriteError, DuplicateKeyError

from machine.counters.marks import NothingWritten
from machine.declare.resource import Resource
from machine.http.problem import Problem

# A change that lost its race this often gives up; each round means that somebody else's change got through.
ROUNDS = 20


def rounds() -> Iterator[int]:
    """Count the tries of a change, with a pause before each but the first. After the last one it is `busy`."""
    for number in range(ROUNDS):
        step_back(number)
        yield number


def busy() -> Problem:
    """Build the 503 of a change that lost every race."""
    return Problem(
        503, "unavailable", "It is being changed too often right now.", headers={"Retry-After": "1"}
    )


def step_back(rounds_lost: int) -> None:
    """Let the others pass before the next try: at random, longer with each lost round, 50 ms at most."""
    if rounds_lost:
        time.sleep(random.uniform(0, min(0.05, 0.001 * 2**rounds_lost)))


class AlreadyThere(NothingWritten, Problem):
    """A unique index said no."""


def clash(resource: Resource, error: DuplicateKeyError | BulkWriteError) -> Exception:
    """Return the Problem for a unique index that said no, or the error itself where none is declared."""
    details = error.details or {}
    first = (details.get("writeErrors") or [details])[0]
    keys = set(first.get("keyPattern", {}))
    for unique in resource.unique:
        if set(unique.fields) == keys:
            extra = {"index": first["index"]} if isinstance(error, BulkWriteError) else {}
            return AlreadyThere(409, unique.reason, issues={unique.shown: "is not unique"}, **extra)
    return AlreadyThere(409, "not_unique") if first.get("code") == 11000 else error
