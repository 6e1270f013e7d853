"""The store: every write to a resource, by Eve, a route or a job, is made here, so that its rules hold for all.

It is put together from parts that each own one thing. Whoever has the store finds what they do under its own names.
"""

import copy
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from clients import clock
from machine.declare.registry import Registry
from machine.declare.resource import Resource
from machine.services import Services
from machine.write.atomic import AtomicWrites
from machine.write.collections import Collections, Document
from machine.write.effects import Effects
from machine.write.events import EventLog
from machine.write.races import AlreadyThere, busy, rounds
from machine.write.records import Records
from machine.write.states import due_stamps
from machine.write.transactions import Transactions


def touch() -> Document:
    """Return the fields that every write renews. Without them a reader's 304 would be stale."""
    return {"_etag": secrets.token_hex(16), "_updated": clock.second()}


class Store:
    """Writes to resources. Reads by clients go through machine.read.reads, which applies visibility; `get` does not."""

    def __init__(self, services: Services, registry: Registry) -> None:
        self.services = services
        self.registry = registry
        self.collections = Collections(services)
        self.transactions = Transactions(services)
        # What must never be missing where a write is there, nor be there without it.
        self.records = Records([EventLog(services)])
        self.effects = Effects(services, registry, self.collections, self.transactions)
        self.atomic = AtomicWrites(
            services, registry, self.collections, self.transactions, self.records, self.effects
        )
        # What the parts do as they are asked.
        self.collection, self.get = self.collections.collection, self.collections.get
        self.in_transaction, self.bump = self.transactions.in_transaction, self.transactions.bump
        self.write, self.swap, self.erase = self.atomic.insert, self.atomic.swap, self.atomic.erase
        self.note_counted = self.effects.note_counted

    def prepare(self, resource: str, document: Document) -> Document:
        """Fill a new document with its start values and its case-folded copies, in place."""
        compiled = self.registry[resource]
        for name, value in compiled.start_values.items():
            document.setdefault(name, copy.deepcopy(value))
        document.update(due_stamps(compiled, document, clock.second()))
        for states in compiled.states.values():
            document.update(self.deadline(states.field, document[states.field], compiled))
        document.update(compiled.folded_copies(document))
        return document

    def insert(self, resource: str, document: Document, session: ClientSession | None = None) -> Document:
        """Insert one document and return it with `_id`, times and ETag. Problem 409 where it is not unique."""
        document = {**document, "_created": clock.second(), **touch()}
        document.setdefault("_id", ObjectId())
        self.write([self.prepare(resource, document)], resource, session)
        return document

    def change(
        self,
        resource: str,
        match: Mapping[str, Any],
        set: Mapping[str, Any] | None = None,
        unset: Iterable[str] = (),
        inc: Mapping[str, int] | None = None,
        push: Mapping[str, Any] | None = None,
        session: ClientSession | None = None,
    ) -> Document | None:
        """Change one document that matches; return it as it is after, None when none matches."""
        compiled, collection = self.registry[resource], self.collection(resource)
        for _ in rounds():
            before = collection.find_one(match, session=session)
            if before is None:
                return None
            update: Document = {"$set": {**(set or {}), **compiled.folded_copies(set or {}), **touch()}}
            update |= {"$unset": dict.fromkeys(unset, "")} if unset else {}
            update |= {"$inc": dict(inc)} if inc else {}
            update |= {"$push": dict(push)} if push else {}
            after = self.swap(resource, before, update, match, session)
            if after is not None:
                return after
        raise busy()

    def put(self, resource: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> Document:
        """Make the one document of a unique key hold these values, also while others try; return it as it is then.

        Idempotent: where it holds them already nothing is written, so nothing is counted twice.
        """
        collection = self.collection(resource)
        for _ in rounds():
            before: Document | None = collection.find_one(key)
            if before is None:
                with suppress(AlreadyThere):
                    return self.insert(resource, {**key, **values})
                continue
            if all(before.get(name) == value for name, value in values.items()):
                return before
            after = self.swap(resource, before, {"$set": {**values, **touch()}}, {})
            if after is not None:
                return after
        raise busy()

    def withdraw(self, resource: str, key: Mapping[str, Any]) -> Document | None:
        """Delete the one document of a unique key; return it, or None where there was none."""
        for _ in rounds():
            before: Document | None = self.collection(resource).find_one(key)
            if before is None or self.remove(resource, before):
                return before
        raise busy()

    def move(
        self,
        resource: str,
        match: Mapping[str, Any],
        field: str,
        to: str,
        set: Mapping[str, Any] | None = None,
        unset: Iterable[str] = (),
        session: ClientSession | None = None,
    ) -> Document | None:
        """Move a document to a state if that is legal from where it is; None when it is not there or not legal."""
        compiled = self.registry[resource]
        sources = compiled.states[field].sources(to)
        asked = match.get(field)
        match = {**match, field: asked if asked in sources else {"$in": sources}}
        values = {**(set or {}), field: to, **self.deadline(field, to, compiled)}
        return self.change(resource, match, set=values, unset=unset, session=session)

    def resume(
        self,
        resource: str,
        match: Mapping[str, Any],
        field: str,
        session: ClientSession | None = None,
    ) -> Document | None:
        """Let an interrupted document go on where it was; None when it is not there or is not interrupted."""
        compiled = self.registry[resource]
        states = compiled.states[field]
        match = {**match, field: {"$in": list(states.remembers)}}
        before: Document | None = self.collection(resource).find_one(match, session=session)
        ahead = states.ways_back(before) if before else []
        if before is None or not ahead:
            return None
        values = {field: ahead[0], **self.deadline(field, ahead[0], compiled)}
        # Exactly that interruption: another one may follow at once.
        return self.change(resource, {**match, "_etag": before["_etag"]}, set=values, session=session)

    def deadline(self, field: str, state: str, resource: Resource) -> Document:
        """Return the moment at which the watchdog ends this state, None where it may last."""
        rule = resource.states[field].deadlines.get(state)
        moment = (
            clock.second() + timedelta(seconds=getattr(self.services.settings, rule["after"]))
            if rule
            else None
        )
        return {f"{field}_deadline": moment}

    def remove(self, resource: str, document: Document, session: ClientSession | None = None) -> bool:
        """Delete exactly the document that was read; softly where declared. False when it has changed since."""
        compiled = self.registry[resource]
        if compiled.keep_deleted and not document.get("deleted_at"):
            update = {"$set": {"deleted_at": clock.second(), **touch()}}
            return self.swap(resource, document, update, {}, session) is not None
        return self.erase(resource, document, session)

    def clear(self, resource: str, match: Mapping[str, Any]) -> int:
        """Delete all that match in one command. Only where nothing follows from a deletion: no counter, no event."""
        compiled = self.registry[resource]
        if compiled.counts or compiled.events or self.atomic.has_dependants(resource):
            raise TypeError(f"{resource} must be deleted one by one")
        return int(self.collection(resource).delete_many(match).deleted_count)
