"""Transactions: a document with the records of what its write is, and the cache tags that wait for the commit."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import pymongo
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from machine.declare.resource import Resource
from machine.services import Services
from machine.write.events import Changes, EventLog

T = TypeVar("T")
S = TypeVar("S", bound=Services)


class Recorder(Protocol):
    """Writes down what a write is, in its transaction."""

    def concerns(self, resource: Resource) -> bool:
        """Tell, before the write, whether there may be something to write down."""

    def record(self, resource: Resource, changes: Changes, session: ClientSession | None) -> None:
        """Write it down."""


class Transactions(Generic[S]):
    """Runs writes as one, with what must be recorded of them; caches hear of them after the commit."""

    def __init__(self, services: S) -> None:
        self.services = services
        # What must never be missing where a write is there, nor be there without it.
        self.recorders: list[Recorder] = [EventLog(services)]
        # The cache tags of writes whose transaction has not been committed yet, by session.
        self.uncommitted: dict[int, set[str]] = {}

    def bump(self, tags: set[str], session: ClientSession | None = None) -> None:
        """Make every cached answer built from these tags stale: now, or when the transaction is committed."""
        if session is not None and session.in_transaction and id(session) in self.uncommitted:
            self.uncommitted[id(session)] |= tags
        else:
            self.services.cache.bump(tags)

    def as_one(
        self,
        work: Callable[[ClientSession | None], T],
        resource: Resource,
        session: ClientSession | None,
        several: bool = False,
    ) -> T:
        """Run a write so that nobody finds half of it: in the caller's transaction, or in its own if it has parts.

        A document whose event was lost with the process would never be told of: nobody compares the two later.
        """
        several = several or any(one.concerns(resource) for one in self.recorders)
        return self.in_transaction(work) if several and session is None else work(session)

    def record(self, resource: Resource, changes: Changes, session: ClientSession | None) -> None:
        """Write down what a write is, together with it."""
        for recorder in self.recorders:
            if recorder.concerns(resource):
                recorder.record(resource, changes, session)

    def in_transaction(self, work: Callable[[ClientSession], T]) -> T:
        """Run `work(session)` in one majority transaction, again where MongoDB says that helps."""
        with self.services.mongo.start_session() as session:
            # An answer computed before the commit would be cached as new if its tags were bumped before it too.
            tags = self.uncommitted[id(session)] = set()
            try:
                # Without a limit of ours the driver tries for two minutes.
                with pymongo.timeout(2 * self.services.settings.mongo_timeout_seconds):
                    result = session.with_transaction(
                        work, read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority")
                    )
            finally:
                del self.uncommitted[id(session)]
            if tags:
                self.services.cache.bump(tags)
            return result
