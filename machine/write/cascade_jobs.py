"""Deal with what referred to a document that is gone: one document at a time, so that every rule applies to it."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from machine.declare.match import reach
from machine.declare.resource import Resource
from machine.jobs.job import Run, job

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
Act = Callable[[Run, ObjectId], None]
# What else is to be done when a document of a resource is gone; each can be repeated.
WHEN_GONE: dict[str, list[Act]] = defaultdict(list)


def when_gone(resource: str) -> Callable[[Act], Act]:
    """Register what the cascade of a resource does besides what is declared."""

    def register(act: Act) -> Act:
        WHEN_GONE[resource].append(act)
        return act

    return register


@job("cascade", attempts=10)
def cascade(run: Run) -> None:
    """Deal with all that was the subject's. Every step can be repeated, so a new attempt just goes on."""
    name, gone = run.job["subject"]["resource"], run.subject_id
    for collection, field in run.store.registry[name].beside.items():
        run.services.db[collection].delete_many({field: gone})
    for act in WHEN_GONE[name]:
        act(run, gone)
    # Again until nothing is left: what was being copied while its source was blanked is found the next time.
    while sum(follow(run, child, field, name, gone) for child, field in run.store.registry.children[name]):
        pass


def follow(run: Run, child: Resource, field: str, name: str, gone: ObjectId) -> int:
    """Deal with the documents whose reference led to what is gone; return how many there were."""
    fate, dealt_with = child.on_parent_delete.get(field, "keep"), 0
    if fate == "keep":
        return 0
    match: dict[str, Any] = {field: gone, **child.only_to(field, name)}
    if fate == "cascade" and child.keep_deleted:
        match["deleted_at"] = {"$not": {"$lte": LONG_AGO}}
    if fate == "blank":
        match["$or"] = [{path: {"$ne": None}} for path in child.personal]
    while (found := run.store.collection(child.name).find_one(match)) is not None:
        run.check()
        dealt_with += 1
        if fate == "cascade":
            let_go(run, child, found)
        else:
            empty(run, child, found, field, fate)
    return dealt_with


def let_go(run: Run, child: Resource, document: dict[str, Any]) -> None:
    """Delete a document. One that could be restored no longer can: its purge is due at once."""
    if child.keep_deleted:
        run.store.change(child.name, {"_id": document["_id"]}, set={"deleted_at": LONG_AGO})
    else:
        run.store.erase(child.name, document)


def empty(run: Run, child: Resource, document: dict[str, Any], field: str, fate: str) -> None:
    """Take from a document that stays its reference (`orphan`), what is personal (`blank`), or both (`anonymize`)."""
    cleared = [] if fate == "blank" else [field]
    if fate != "orphan":
        cleared += [path for path in child.personal if reach(document, path) is not None]
    same = {"_id": document["_id"], field: document[field]}
    run.store.change(child.name, same, set=dict.fromkeys(cleared))
