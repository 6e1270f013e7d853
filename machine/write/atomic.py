"""The three writes of which all others are made: insert, swap and erase.

Nobody finds half of one: what it is recorded as is written with it, and what it belongs to is still there. Then
everything follows that follows from it (machine.write.effects).
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from clients import clock
from machine.counters.counts import Parent
from machine.declare.registry import Registry
from machine.declare.resource import Resource
from machine.services import Services
from machine.write.collections import Collections, Document
from machine.write.effects import Effects
from machine.write.parents import confirm_and_count, hold, hold_and_count, needed_by
from machine.write.races import clash, step_back
from machine.write.records import Records
from machine.write.states import applied, complete
from machine.write.transactions import Transactions

T = TypeVar("T")


class AtomicWrites:
    """Writes documents of resources, each in the caller's transaction, or in its own where it has parts."""

    def __init__(
        self,
        services: Services,
        registry: Registry,
        collections: Collections,
        transactions: Transactions,
        records: Records,
        effects: Effects,
    ) -> None:
        self.services = services
        self.registry = registry
        self.collections = collections
        self.transactions = transactions
        self.records = records
        self.effects = effects

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
        several = several or self.records.concern(resource)
        return self.transactions.in_transaction(work) if several and session is None else work(session)

    def insert(self, documents: list[Document], resource: str, session: ClientSession | None = None) -> None:
        """Insert prepared documents, all or none. Problem 409 where one is not unique, or its parent is gone."""
        compiled = self.registry[resource]
        changes = [(None, document) for document in documents]
        with self.effects.marked(compiled, documents, session):
            try:
                held = self.as_one(
                    lambda s: self.put_in(compiled, documents, s, session is not None),
                    compiled,
                    session,
                    len(documents) > 1,
                )
            except (DuplicateKeyError, BulkWriteError) as error:
                raise clash(compiled, error) from error
            counted, gone = confirm_and_count(self.services.db, compiled, changes, held)
            if gone is not None:
                self.take_back(resource, documents)
                raise gone
            for document in documents:
                self.effects.follow(compiled, None, document, session, counted)
                counted = []

    def put_in(
        self, resource: Resource, documents: list[Document], session: ClientSession | None, all_of_them: bool
    ) -> set[Parent]:
        """Insert documents together with the record of what that is; return the parents that are held for it."""
        collection = self.collections.collection(resource.name)
        changes = [(None, document) for document in documents]
        held: set[Parent] = set()
        if session is not None:
            held = hold_and_count(self.services.db, self.registry, resource, changes, session, all_of_them)
        if len(documents) == 1:
            collection.insert_one(documents[0], session=session)
        else:
            collection.insert_many(documents, session=session)
        self.records.record(resource, changes, session)
        return held

    def take_back(self, resource: str, documents: list[Document]) -> None:
        """Erase what was inserted below something that is gone, with all that follows from that."""
        for document in documents:
            while (found := self.collections.get(resource, document["_id"])) and not self.erase(
                resource, found
            ):
                step_back(1)

    def swap(
        self,
        resource: str,
        before: Document,
        update: Document,
        match: Mapping[str, Any],
        session: ClientSession | None = None,
    ) -> Document | None:
        """Apply an update only if the document is still the one that was read (compare-and-swap on its ETag).

        Return it as it is then; None when it is another by now, or does not match any more.
        """
        compiled = self.registry[resource]
        same = {**match, "_id": before["_id"], "_etag": before.get("_etag")}
        update = complete(compiled, before, update, clock.second())
        wanted = applied(before, update)
        needed = needed_by(compiled, before, wanted)

        def swapped(s: ClientSession | None) -> Document | None:
            if s is not None:
                hold(self.services.db, self.registry, needed, s)
            after: Document | None = self.collections.collection(resource).find_one_and_update(
                same, update, return_document=ReturnDocument.AFTER, session=s
            )
            if after is not None:
                self.records.record(compiled, [(before, after)], s)
            return after

        with self.effects.marked(compiled, [before, wanted], session):
            try:
                after = self.as_one(swapped, compiled, session, bool(needed))
            except DuplicateKeyError as error:
                raise clash(compiled, error) from error
            if after is not None:
                self.effects.follow(compiled, before, after, session)
        return after

    def erase(
        self,
        resource: str,
        document: Document,
        session: ClientSession | None = None,
        match: Mapping[str, Any] | None = None,
    ) -> bool:
        """Delete the document for good, and record the job that deals with what refers to it.

        `match`: what it must be at that moment besides unchanged. Counters move without a new ETag.
        """
        compiled = self.registry[resource]
        several = self.has_dependants(resource)
        with self.effects.marked(compiled, [document], session):
            gone = self.as_one(
                lambda s: self.take_out(compiled, document, s, match), compiled, session, several
            )
            if gone:
                self.effects.follow(compiled, document, None, session)
        return gone

    def take_out(
        self,
        resource: Resource,
        document: Document,
        session: ClientSession | None,
        match: Mapping[str, Any] | None = None,
    ) -> bool:
        """Delete the document by its id and ETag, together with the records of that and of the cascade."""
        same = {**(match or {}), "_id": document["_id"], "_etag": document.get("_etag")}
        if not self.collections.collection(resource.name).delete_one(same, session=session).deleted_count:
            return False
        if self.has_dependants(resource.name):
            subject = {"resource": resource.name, "id": document["_id"]}
            key = f"cascade:{resource.name}:{document['_id']}"
            self.services.jobs.record("cascade", subject, key, session=session)
        self.records.record(resource, [(document, None)], session)
        return True

    def has_dependants(self, resource: str) -> bool:
        """Tell whether anything must be dealt with when one of these goes."""
        if self.registry[resource].beside:
            return True
        return any(field in child.on_parent_delete for child, field in self.registry.children[resource])
