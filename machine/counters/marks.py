"""Marks on the documents whose counters are being changed, so that what a crash leaves between two writes is repaired.

A document is written first and its parent's counter a moment later; a process that dies in between leaves a counter
that is wrong by one. So before the first of the two a mark with an end is laid on the parent, and renewed while
there is traffic: one write per parent and a third of its life, not one per like. A process that lives takes its
marks away again, but not those of writes that failed half-way: nobody knows how much of those was written. A mark that
is older than its end is a sign of a crash or of such a write: that parent is recounted (machine.counters.repair_jobs).
"""

import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from machine.declare.resource import Resource
from machine.jobs.pipelines import after
from machine.services import Services

MARKS = "pending_counts"
# A parent at which nothing has happened for this many seconds is done with.
QUIET_SECONDS = 2.0
Parent = tuple[str, ObjectId]


class NothingWritten(Exception):
    """A mixin of the errors that tell for sure that a write has left nothing behind."""


class Mark:
    """What this process knows of one parent: how many writes are on their way, and when it was marked and used."""

    def __init__(self) -> None:
        # A mark of its own each time: taking an old one away cannot hit a new one.
        self.serial = secrets.token_hex(4)
        self.on_the_way = 0
        self.marked = float("-inf")
        self.used = 0.0


Held = tuple[Parent, Mark]


class CounterMarks:
    """The marks of one process; threads share it."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.name = secrets.token_hex(8)
        self.lock = threading.Lock()
        self.marks: dict[Parent, Mark] = {}
        self.cleared = time.monotonic()

    @property
    def life(self) -> float:
        """Return the life of a mark in seconds."""
        return self.services.settings.count_mark_seconds

    @contextmanager
    def marked(self, parents: Iterable[Parent]) -> Iterator[None]:
        """Hold marks on parents for as long as a write of theirs and its counters take, however that ends."""
        held = self.begin(parents)
        try:
            yield
        except NothingWritten:
            self.end(held)
            raise
        except BaseException:
            self.drop(held)
            raise
        self.end(held)

    def begin(self, parents: Iterable[Parent]) -> list[Held]:
        """Mark parents before a document of theirs is written; hand what this returns to `end` or `drop`."""
        moment, held, due = time.monotonic(), [], []
        with self.lock:
            for parent in set(parents):
                mark = self.marks.setdefault(parent, Mark())
                mark.on_the_way += 1
                held.append((parent, mark))
                if moment - mark.marked > self.life / 3:
                    due.append((parent, mark))
        if due:
            try:
                self.lay(due)
            except BaseException:  # what was to be marked is not written
                self.end(held)
                raise
            for _, mark in due:
                mark.marked = moment
        return held

    def lay(self, due: list[Held]) -> None:
        """Write marks, or give those that are there another life."""
        laid = [
            UpdateOne(
                {"_id": self.key(parent, mark)},
                [{"$set": {"resource": parent[0], "parent": parent[1], "until": after(self.life)}}],
                upsert=True,
            )
            for parent, mark in due
        ]
        self.services.db[MARKS].bulk_write(laid, ordered=False)

    def end(self, held: Iterable[Held]) -> None:
        """Note that the counters have followed; take away the marks of parents that have become quiet."""
        moment = time.monotonic()
        with self.lock:
            for _, mark in held:
                mark.on_the_way -= 1
                mark.used = moment
            if moment - self.cleared < QUIET_SECONDS:
                return
            self.cleared = moment
            done = [
                (parent, mark)
                for parent, mark in self.marks.items()
                if mark.on_the_way <= 0 and moment - mark.used > QUIET_SECONDS
            ]
            for parent, _ in done:
                del self.marks[parent]
        self.take_away(done)

    def drop(self, held: Iterable[Held]) -> None:
        """Leave the marks of a write that failed half-way where they are: they end, and a job looks.

        Other writes that are on their way under such a mark go on holding it; later ones get a mark of their own.
        """
        with self.lock:
            for parent, mark in held:
                mark.on_the_way -= 1
                if self.marks.get(parent) is mark:
                    del self.marks[parent]

    def take_away(self, marks: list[Held]) -> None:
        """Take marks away. Where that fails they end by themselves, at the price of a recount."""
        if marks:
            try:
                self.services.db[MARKS].delete_many({"_id": {"$in": [self.key(*one) for one in marks]}})
            except PyMongoError:
                return

    def key(self, parent: Parent, mark: Mark) -> str:
        """Return the id of this process's mark on a parent."""
        return f"{self.name}:{mark.serial}:{parent[0]}:{parent[1]}"


def parents_of(resource: Resource, document: dict[str, Any]) -> set[Parent]:
    """Return the parents that hold a counter of this document."""
    return {
        (resource.target_of(rule.of, document), document[rule.of])
        for rule in resource.counts
        if document.get(rule.of) is not None
    }
