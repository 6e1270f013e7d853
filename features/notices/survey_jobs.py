"""Look through all that was told and is owed about one document, when it was hidden, shown or taken away."""

from collections.abc import Iterable
from typing import Any

from bson import ObjectId

from features.notices.notify import lights, may_be_told, settle, settle_parts
from features.notices.parts import OWED, TOLD, Part, new_part, notice_of, owe, parts_of, tell, withdraw
from features.notices.people import NOTIFICATIONS, Document, followers, owner_of
from machine.declare.notice import Followers, Notice
from machine.declare.registry import read_definitions
from machine.declare.resource import Resource
from machine.jobs.job import Run, job
from machine.write.cascade_jobs import when_gone
from machine.write.store import Store
from machine.write.upgrade import lots

# So many people are told in one transaction: while it lasts, nobody else can write to the document they are told of.
LOT = 25
ROUNDS = 20


@job("survey_notices", attempts=10)
def survey(run: Run) -> None:
    """Bring all that is told about a document in line with it; a new attempt goes on where one ended."""
    store, resource = run.store, run.store.registry[run.job["subject"]["resource"]]
    for _ in range(ROUNDS):
        document = store.get(resource.name, run.subject_id)
        if document is None:  # the cascade's
            return
        if not all(lights(resource, document)):
            take_back(run, resource, document)
        tell_owed(run, resource, document)
        tell_followers(run, resource, document)
        after = store.get(resource.name, run.subject_id)
        # Whoever hid it meanwhile may have looked before the last of this was told.
        if after is None or after["_etag"] == document["_etag"]:
            return


def take_back(run: Run, resource: Resource, document: Document) -> None:
    """Take back what is told, unread and no longer true, or no longer for its reader to know."""
    store = run.store
    fields = [name for name, to in store.registry[NOTIFICATIONS].references.items() if to == resource.name]
    for field in fields:
        unread = store.collection(NOTIFICATIONS).find({field: document["_id"], "unread": True}, {"_id": 1})
        for lot in lots(unread, LOT):
            run.check()
            found = parts_of(store).find(
                {"notification": {"$in": [one["_id"] for one in lot]}, "state": TOLD}
            )
            for name, subject, parts in by_subject(found):
                if subject == document["_id"]:
                    settle_parts(store, resource, document, None, parts)
                elif (child := store.get(name, subject)) is not None:
                    settle_parts(store, store.registry[name], child, document, parts)


def by_subject(parts: Iterable[Part]) -> list[tuple[str, ObjectId, list[Part]]]:
    """Group parts by what they tell of."""
    found: dict[tuple[str, ObjectId], list[Part]] = {}
    for part in parts:
        found.setdefault((part["resource"], part["subject"]), []).append(part)
    return [(name, subject, mine) for (name, subject), mine in found.items()]


def tell_owed(run: Run, resource: Resource, document: Document) -> None:
    """Tell what single people are owed of a document, or of something that is seen together with it."""
    store = run.store
    owed = parts_of(store).find({"above": document["_id"], "state": OWED, "user": {"$ne": None}})
    for lot in lots(owed, LOT):
        run.check()
        for name, subject, parts in by_subject(lot):
            if subject != document["_id"]:
                if (child := store.get(name, subject)) is not None:
                    settle(store, store.registry[name], child)
            else:
                settle_parts(store, resource, document, None, still_following(store, document, parts))


def still_following(store: Store, document: Document, parts: list[Part]) -> list[Part]:
    """Leave out what is owed to followers who follow no longer."""
    kept = []
    for notice in store.registry[parts[0]["resource"]].notices:
        mine = [part for part in parts if part["kind"] == notice.kind]
        if mine and isinstance(notice.to, Followers):
            theirs = owner_of(store, notice.to)
            found = followers(store, notice.to, document, None, LOT, [part["user"] for part in mine])
            mine = [part for part in mine if part["user"] in {one[theirs] for one in found}]
        kept += mine
    return kept


def tell_followers(run: Run, resource: Resource, document: Document) -> None:
    """Tell the followers what they are owed together, some at a time; how far that came is kept with the debt."""
    debts = parts_of(run.store).find({"above": document["_id"], "state": OWED, "user": None})
    for debt in list(debts):
        notice = notice_of(run.store, debt)
        if notice is not None and isinstance(notice.to, Followers):
            while may_be_told(run.store, debt, document, None, {}) and tell_lot(run, resource, notice, debt):
                document = run.store.get(resource.name, document["_id"]) or {"deleted_at": True}


def tell_lot(run: Run, resource: Resource, notice: Notice, debt: Part) -> bool:
    """Tell the next lot; False where that was the last."""
    run.check()
    store, to = run.store, notice.to
    document = store.get(resource.name, debt["subject"])
    if document is None or not isinstance(to, Followers):
        return False
    lot = followers(store, to, document, debt.get("after"), LOT)
    mine = parts_of(store)
    if not lot:
        mine.update_one({"_id": debt["_id"]}, {"$set": {"state": TOLD}})
        return False
    theirs = [one[owner_of(store, to)] for one in lot]
    event = {"_id": debt["turn"], "type": f"{resource.name}.{debt['detail']}"}
    parts = [
        new_part(resource, document, notice, person, event)
        for person in dict.fromkeys(theirs)
        if person != document.get(resource.owner or "")
    ]
    if parts:
        tell(store, resource, document, notice, parts)
    debt["after"] = lot[-1]["_id"]
    mine.update_one({"_id": debt["_id"]}, {"$max": {"after": debt["after"]}})
    return True


@job("fan_out", attempts=10)
def fan_out(run: Run) -> None:
    """Go on with what an older version owed to followers."""
    resource = run.store.registry[run.job["subject"]["resource"]]
    document = run.store.get(resource.name, run.subject_id)
    if document is None:
        return
    event = {"_id": run.payload["event"], "type": ""}
    for notice in resource.notices:
        if isinstance(notice.to, Followers):
            owe(run.store, resource, document, {None: notice}, event)
            if run.payload.get("after"):
                debt = {"subject": document["_id"], "user": None, "turn": event["_id"]}
                parts_of(run.store).update_one(debt, {"$max": {"after": run.payload["after"]}})
    survey(run)


def forget(run: Run, gone: Any) -> None:
    """Take what is gone out of what was told, read or unread: the rest of each notification stays."""
    parts = parts_of(run.store)
    for lot in lots(parts.find({"subject": gone, "state": TOLD, "notification": {"$ne": None}}), LOT):
        run.check()
        withdraw(run.store, lot, gone=True)
    parts.delete_many({"subject": gone})


for name, definition in read_definitions().items():
    if definition["policy"].get("notices"):
        when_gone(name)(forget)
