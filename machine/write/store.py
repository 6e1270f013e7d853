"""The store: every write to a resource, by Eve, a route or a job, is made here, so that its rules hold for all."""

import copy
import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from typing import Any

from bson import ObjectId
from bson.codec_options import CodecOptions
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from clients import clock
from machine.counters.counts import Parent, count
from machine.counters.pending import NothingWritten, PendingCounts, parents_of
from machine.declare.registry import Registry
from machine.declare.resource import Resource
from machine.edge.tags import tag_of, tags_of_write, touched
from machine.http.problem import Problem
from machine.write.parents import confirm_and_count, hold, hold_and_count, needed_by
from machine.write.states import applied, complete, due_stamps
from machine.write.transactions import S, Transactions

Document = dict[str, Any]
Listener = Callable[[Resource, Document | None, Document | None, ClientSession | None], None]
# A change that lost its race this often gives up; each round means that somebody else's change got through.
ROUNDS = 20
# Dates that only the renderer sees are read without a time zone: that saves a fifth of the time of a list.
NAIVE: CodecOptions[Document] = CodecOptions(tz_aware=False)


def touch() -> Document:
    """Return the fields that every write renews. Without them a reader's 304 would be stale."""
    return {"_etag": secrets.token_hex(16), "_updated": clock.second()}


class Store(Transactions[S]):
    """Writes to resources. Reads by clients go through machine.read.reads, which applies visibility; `get` does not."""

    def __init__(self, services: S, registry: Registry) -> None:
        super().__init__(services)
        self.registry = registry
        # Called after every write with (resource, before, after, session).
        self.listeners: list[Listener] = []
        self.pending = PendingCounts(services)
        # The collections of a database, kept: making one costs a twentieth of a read.
        self.collections: tuple[Any, dict[tuple[str, bool], Any]] = (None, {})

    def collection(self, resource: str, naive: bool = False) -> Any:
        """Return the collection of a resource; `naive`: one whose dates come without their zone, which is UTC."""
        db, known = self.collections
        if db is not self.services.db:
            db, known = self.collections = self.services.db, {}
        found = known.get((resource, naive))
        if found is None:
            found = db[resource].with_options(codec_options=NAIVE) if naive else db[resource]
            known[resource, naive] = found
        return found

    def get(self, resource: str, id_: ObjectId, session: ClientSession | None = None) -> Document | None:
        """Return the stored document, without asking who may see it."""
        found: Document | None = self.collection(resource).find_one({"_id": id_}, session=session)
        return found

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

    def write(self, documents: list[Document], resource: str, session: ClientSession | None = None) -> None:
        """Insert prepared documents, all or none, and let everything that follows from them follow."""
        compiled = self.registry[resource]
        changes = [(None, document) for document in documents]
        with self.marked(compiled, documents, session):
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
                self.follow(compiled, None, document, session, counted)
                counted = []

    def put_in(
        self, resource: Resource, documents: list[Document], session: ClientSession | None, all_of_them: bool
    ) -> set[Parent]:
        """Insert documents together with the record of what that is; return the parents that are held for it."""
        collection, changes = self.collection(resource.name), [(None, document) for document in documents]
        held: set[Parent] = set()
        if session is not None:
            held = hold_and_count(self.services.db, self.registry, resource, changes, session, all_of_them)
        if len(documents) == 1:
            collection.insert_one(documents[0], session=session)
        else:
            collection.insert_many(documents, session=session)
        self.record(resource, changes, session)
        return held

    def take_back(self, resource: str, documents: list[Document]) -> None:
        """Erase what was inserted below something that is gone, with all that follows from that."""
        for document in documents:
            while (found := self.get(resource, document["_id"])) and not self.erase(resource, found):
                step_back(1)

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
        for number in range(ROUNDS):
            step_back(number)
            before = collection.find_one(match, session=session)
            if before is None:
                return None
            update: Document = {"$set": {**(set or {}), **compiled.folded_copies(set or {}), **touch()}}
            update |= {"$unset": dict.fromkeys(unset, "")} if unset else {}
            update |= {"$inc": dict(inc)} if inc else {}
            update |= {"$push": dict(push)} if push else {}
            after = self.replace_if_same(compiled, before, update, match, session)
            if after is not None:
                return after
        raise busy()

    def replace_if_same(
        self,
        resource: Resource,
        before: Document,
        update: Document,
        match: Mapping[str, Any],
        session: ClientSession | None = None,
    ) -> Document | None:
        """Apply an update only if the document is still the one that was read (compare-and-swap on its ETag).

        Everything that follows from it follows. None when it is another by now.
        """
        same = {**match, "_id": before["_id"], "_etag": before.get("_etag")}
        update = complete(resource, before, update, clock.second())
        wanted = applied(before, update)
        needed = needed_by(resource, before, wanted)

        def swap(s: ClientSession | None) -> Document | None:
            if s is not None:
                hold(self.services.db, self.registry, needed, s)
            after: Document | None = self.collection(resource.name).find_one_and_update(
                same, update, return_document=ReturnDocument.AFTER, session=s
            )
            if after is not None:
                self.record(resource, [(before, after)], s)
            return after

        with self.marked(resource, [before, wanted], session):
            try:
                after = self.as_one(swap, resource, session, bool(needed))
            except DuplicateKeyError as error:
                raise clash(resource, error) from error
            if after is not None:
                self.follow(resource, before, after, session)
        return after

    def put(self, resource: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> Document:
        """Make the one document of a unique key hold these values, also while others try; return it as it is then.

        Idempotent: where it holds them already nothing is written, so nothing is counted twice.
        """
        compiled, collection = self.registry[resource], self.collection(resource)
        for number in range(ROUNDS):
            step_back(number)
            before: Document | None = collection.find_one(key)
            if before is None:
                with suppress(AlreadyThere):
                    return self.insert(resource, {**key, **values})
                continue
            if all(before.get(name) == value for name, value in values.items()):
                return before
            after = self.replace_if_same(compiled, before, {"$set": {**values, **touch()}}, {})
            if after is not None:
                return after
        raise busy()

    def withdraw(self, resource: str, key: Mapping[str, Any]) -> Document | None:
        """Delete the one document of a unique key; return it, or None where there was none."""
        for number in range(ROUNDS):
            step_back(number)
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
            return self.replace_if_same(compiled, document, update, {}, session) is not None
        return self.erase(resource, document, session)

    def clear(self, resource: str, match: Mapping[str, Any]) -> int:
        """Delete all that match in one command. Only where nothing follows from a deletion: no counter, no event."""
        compiled = self.registry[resource]
        if compiled.counts or compiled.events or self.has_dependants(resource):
            raise TypeError(f"{resource} must be deleted one by one")
        return int(self.collection(resource).delete_many(match).deleted_count)

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
        with self.marked(compiled, [document], session):
            gone = self.as_one(
                lambda s: self.take_out(compiled, document, s, match), compiled, session, several
            )
            if gone:
                self.follow(compiled, document, None, session)
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
        if not self.collection(resource.name).delete_one(same, session=session).deleted_count:
            return False
        if self.has_dependants(resource.name):
            subject = {"resource": resource.name, "id": document["_id"]}
            key = f"cascade:{resource.name}:{document['_id']}"
            self.services.jobs.record("cascade", subject, key, session=session)
        self.record(resource, [(document, None)], session)
        return True

    def has_dependants(self, resource: str) -> bool:
        """Tell whether anything must be dealt with when one of these goes."""
        if self.registry[resource].beside:
            return True
        return any(field in child.on_parent_delete for child, field in self.registry.children[resource])

    def follow(
        self,
        resource: Resource,
        before: Document | None,
        after: Document | None,
        session: ClientSession | None = None,
        counted: list[Parent] | None = None,
    ) -> None:
        """Let everything follow that a write entails: counters, unless `counted`, listeners, cached answers."""
        parents = count(self.services.db, resource, before, after, session) if counted is None else counted
        for listener in self.listeners:
            listener(resource, before, after, session)
        tags = tags_of_write(resource, before, after)
        for name, id_ in parents:
            tags |= self.tags_of_counted(self.registry[name], id_, session)
        self.bump(tags, session)

    def marked(
        self, resource: Resource, documents: Iterable[Document], session: ClientSession | None
    ) -> AbstractContextManager[None]:
        """Mark the parents whose counters a write moves; in a transaction both happen or neither does."""
        if session is not None or not resource.counts:
            return nullcontext()
        return self.pending.marked({one for document in documents for one in parents_of(resource, document)})

    def note_counted(
        self, resource: str, ids: Iterable[ObjectId], session: ClientSession | None = None
    ) -> None:
        """Tell caches that a job has changed counters of these documents."""
        compiled = self.registry[resource]
        self.bump({tag for id_ in ids for tag in self.tags_of_counted(compiled, id_, session)}, session)

    def tags_of_counted(self, resource: Resource, id_: ObjectId, session: ClientSession | None) -> set[str]:
        """Return the tags that a new counter touches; a list sorted by it may now be in another order."""
        if not any(name.startswith("counters.") for query in resource.queries for name, _ in query.sort):
            return {tag_of(resource.name, id_), touched(resource.name)}
        return tags_of_write(resource, None, self.get(resource.name, id_, session))


def step_back(rounds_lost: int) -> None:
    """Let the others pass before the next try: at random, longer with each lost round, 50 ms at most."""
    if rounds_lost:
        time.sleep(random.uniform(0, min(0.05, 0.001 * 2**rounds_lost)))


class AlreadyThere(NothingWritten, Problem):
    """A unique index said no."""


def busy() -> Problem:
    """Build the 503 of a change that lost every race."""
    return Problem(
        503, "unavailable", "It is being changed too often right now.", headers={"Retry-After": "1"}
    )


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
