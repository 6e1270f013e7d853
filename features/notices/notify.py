"""Turn events into what people are owed, and bring what they are told in line with what is there now.

An event says only that something has changed. What is told follows from the document as it is: so it does not matter
whether it was undone before or after it was told, and how often.
"""

from collections.abc import Mapping
from typing import Any

from features.notices.parts import OWED, TOLD, Part, notice_of, owe, parts_of, tell, withdraw
from features.notices.people import Document, above, concerned, people, sees
from machine.access.caller import Caller
from machine.access.rights import may_read
from machine.declare.match import matches
from machine.declare.notice import Notice
from machine.declare.resource import Resource
from machine.write.store import Store

Event = Mapping[str, Any]
# So often what is told is compared with a document that goes on changing; its next event compares once more.
ROUNDS = 5


def notify(store: Store, event: Event) -> None:
    """Write down what an event makes due, and tell what may be told."""
    resource, owed = store.registry[event["resource"]], False
    if resource.notices and (document := store.get(resource.name, event["subject"])):
        owe_by_now(store, resource, event)
        owed = owe_at_moment(store, resource, event)
        settle(store, resource, document)
    if owed or (flipped(resource, event) and heeds(store, resource)):
        owe_survey(store, event)


def owe_by_now(store: Store, resource: Resource, event: Event) -> None:
    """Owe it to those whom the document concerns by this change, and did not before it."""
    if event["data"] is None or all(notice.on for notice in resource.notices):
        return
    now = as_it_was_then(resource, event)
    parent = above(store, resource, now)
    dues = concerned(store, resource, now, parent)
    if dues and event.get("was"):
        for person in concerned(store, resource, {**now, **event["was"]}, parent):
            dues.pop(person, None)
    owe(store, resource, now, dues)


def as_it_was_then(resource: Resource, event: Event) -> dict[str, Any]:
    """Return what an event tells of its document, with whose it is and what it belongs to, public or not."""
    told = {**event["data"], "_id": event["subject"]}
    told |= {resource.owner: event["owner"]} if resource.owner else {}
    return told | ({resource.readable_with: event["within"]} if resource.readable_with else {})


def owe_at_moment(store: Store, resource: Resource, event: Event) -> bool:
    """Owe what is told of a moment, and tell whether followers are owed it; to come back from a block is no moment."""
    moment, was, owed = event["type"].partition(".")[2], event.get("was") or {}, False
    resumed = any(was.get(states.field) in states.remembers for states in resource.states.values())
    for notice in resource.notices:
        if event["data"] is None or moment not in notice.on or (resumed and moment in states_of(resource)):
            continue
        now = as_it_was_then(resource, event)
        named = people(store, resource, notice, now, None) if isinstance(notice.to, str) else [None]
        owe(store, resource, now, dict.fromkeys(named, notice), event)
        owed = owed or named == [None]
    return owed


def states_of(resource: Resource) -> set[str]:
    """Return every state that a document can reach."""
    return {to for states in resource.states.values() for moves in states.moves.values() for to in moves}


def flipped(resource: Resource, event: Event) -> bool:
    """Tell whether an event has hidden something or brought it to light; of one that appears nothing was told."""
    if not event.get("was") or event["type"].partition(".")[2] not in ("updated", "deleted"):
        return False
    now = event["data"]
    return lights(resource, {**(now or {}), **event["was"]}) != lights(resource, now)


def lights(resource: Resource, document: Document | None) -> list[bool]:
    """Tell whether everybody may read a document by its link, and which kinds may be told of it."""
    if document is None:
        return [False] * (len(resource.notices) + 1)
    told = [matches(document, notice.when) and not document.get("deleted_at") for notice in resource.notices]
    return [may_read(resource, document, Caller()), *told]


def heeds(store: Store, resource: Resource) -> bool:
    """Tell whether anybody is told of what can only be seen together with these documents, or by moments of theirs."""
    below = (child for child, field in store.registry.children[resource.name] if child.readable_with == field)
    return any(notice.on for notice in resource.notices) or any(child.notices for child in below)


def owe_survey(store: Store, event: Event) -> None:
    """Record the job that looks through all that was told and is owed about one document."""
    subject = {"resource": event["resource"], "id": event["subject"]}
    store.services.jobs.owe("survey_notices", subject, f"survey_notices:{event['_id']}")


def settle(store: Store, resource: Resource, document: Document) -> None:
    """Tell what is owed of one document and may be told now, and take back what may not; nothing of followers."""
    few = [notice.kind for notice in resource.notices if isinstance(notice.to, str)]
    match, now = {"subject": document["_id"], "kind": {"$in": few}}, dict(document)
    for _ in range(ROUNDS):
        mine = list(parts_of(store).find(match))
        parent = above(store, resource, now) if mine else None
        # Whoever hid it may have looked before it was told: then it is compared again.
        if not settle_parts(store, resource, now, parent, mine):
            return
        seen, now = versions(now, parent), store.get(resource.name, document["_id"]) or {}
        if not now or versions(now, above(store, resource, now)) == seen:
            return


def settle_parts(
    store: Store, resource: Resource, document: Document, parent: Document | None, parts: list[Part]
) -> bool:
    """Bring these parts, all of one document, in line with it; tell whether there was anything to do."""
    wanted = concerned(store, resource, document, parent) if parts else {}
    due: dict[str, list[Part]] = {}
    undone = []
    for part in parts:
        holds = may_be_told(store, part, document, parent, wanted)
        if holds and part["state"] == OWED:
            due.setdefault(part["kind"], []).append(part)
        elif not holds and part["state"] == TOLD and part["notification"]:
            undone.append(part)
    for notice in resource.notices:
        if notice.kind in due:
            tell(store, resource, document, notice, due[notice.kind])
    if undone:
        withdraw(store, undone)
    return bool(due or undone)


def may_be_told(
    store: Store, part: Part, document: Document, parent: Document | None, wanted: Mapping[Any, Notice]
) -> bool:
    """Tell whether a part is true now, and for the person to know."""
    notice = notice_of(store, part)
    if notice is None or not matches(document, notice.when) or document.get("deleted_at"):
        return False
    if part["turn"] is None and part["user"] not in wanted:
        return False
    return sees(store, store.registry[part["resource"]], part["user"], document, parent)


def versions(document: Document, parent: Document | None) -> tuple[Any, Any]:
    """Return which version of a document and of what it belongs to somebody has seen."""
    return document.get("_etag"), (parent or {}).get("_etag")
