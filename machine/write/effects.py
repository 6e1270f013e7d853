"""What follows from a write: counters of parents, whoever listens, and cached answers that are stale now."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

from bson import ObjectId
from pymongo.client_session import ClientSession

from machine.counters.counts import Parent, count
from machine.counters.marks import CounterMarks, parents_of
from machine.declare.registry import Registry
from machine.declare.resource import Resource
from machine.edge.tags import tag_of, tags_of_write, touched
from machine.services import Services
from machine.write.collections import Collections, Document
from machine.write.transactions import Transactions

# Called after every write with (resource, before, after, session).
Listener = Callable[[Resource, Document | None, Document | None, ClientSession | None], None]


class Effects:
    """Lets follow what follows. Counters are marked while they are behind their documents (`marks`)."""

    def __init__(
        self, services: Services, registry: Registry, collections: Collections, transactions: Transactions
    ) -> None:
        self.services = services
        self.registry = registry
        self.collections = collections
        self.transactions = transactions
        self.marks = CounterMarks(services)
        self.listeners: list[Listener] = []

    def marked(
        self, resource: Resource, documents: Iterable[Document], session: ClientSession | None
    ) -> AbstractContextManager[None]:
        """Mark the parents whose counters a write moves; in a transaction both happen or neither does."""
        if session is not None or not resource.counts:
            return nullcontext()
        return self.marks.marked({one for document in documents for one in parents_of(resource, document)})

    def follow(
        self,
        resource: Resource,
        before: Document | None,
        after: Document | None,
        session: ClientSession | None = None,
        counted: list[Parent] | None = None,
    ) -> None:
        """Let everything follow that a write entails; `counted`: the parents whose counters have moved already."""
        parents = count(self.services.db, resource, before, after, session) if counted is None else counted
        for listener in self.listeners:
            listener(resource, before, after, session)
        tags = tags_of_write(resource, before, after)
        for name, id_ in parents:
            tags |= self.tags_of_counted(self.registry[name], id_, session)
        self.transactions.bump(tags, session)

    def note_counted(
        self, resource: str, ids: Iterable[ObjectId], session: ClientSession | None = None
    ) -> None:
        """Tell caches that a job has changed counters of these documents."""
        compiled = self.registry[resource]
        tags = {tag for id_ in ids for tag in self.tags_of_counted(compiled, id_, session)}
        self.transactions.bump(tags, session)

    def tags_of_counted(self, resource: Resource, id_: ObjectId, session: ClientSession | None) -> set[str]:
        """Return the tags that a new counter touches; a list sorted by it may now be in another order."""
        if not any(name.startswith("counters.") for query in resource.queries for name, _ in query.sort):
            return {tag_of(resource.name, id_), touched(resource.name)}
        return tags_of_write(resource, None, self.collections.get(resource.name, id_, session))
