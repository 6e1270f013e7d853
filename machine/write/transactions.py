"""Transactions: several writes as one, and the cache tags that wait for the commit."""

from collections.abc import Callable
from typing import TypeVar

import pymongo
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from machine.services import Services

T = TypeVar("T")


class Transactions:
    """Runs writes as one; caches hear of them after the commit."""

    def __init__(self, services: Services) -> None:
        self.services = services
        # The cache tags of writes whose transaction has not been committed yet, by session.
        self.uncommitted: dict[int, set[str]] = {}

    def bump(self, tags: set[str], session: ClientSession | None = None) -> None:
        """Make every cached answer built from these tags stale: now, or when the transaction is committed."""
        if session is not None and session.in_transaction and id(session) in self.uncommitted:
            self.uncommitted[id(session)] |= tags
        else:
            self.services.cache.bump(tags)

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
