"""Deal with what referred to a document that is gone: one document at a time, so that every rule applies to it."""

from datetime import UTC, datetime
from typing import Any

from policy.resource import Resource
from tasks.job import Run, job

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@job("cascade", attempts=10)
def cascade(run: Run) -> None:
    """Delete or orphan what refers to the subject. Every step can be repeated, so a new attempt just goes on."""
    name, gone = run.job["subject"]["resource"], run.subject_id
    for child, field in run.store.registry.children[name]:
        fate = child.on_parent_delete.get(field, "keep")
        if fate == "keep":
            continue
        match = {field: gone, **child.only_to(field, name)}
        if child.keep_deleted:
            match["deleted_at"] = {"$not": {"$lte": LONG_AGO}}
        while (found := run.store.collection(child.name).find_one(match)) is not None:
            run.check()
            if fate == "orphan":
                run.store.change(child.name, {"_id": found["_id"], field: gone}, set={field: None})
            else:
                let_go(run, child, found)


def let_go(run: Run, child: Resource, document: dict[str, Any]) -> None:
    """Delete a document. One that could be restored no longer can: its purge is due at once."""
    if child.keep_deleted:
        run.store.change(child.name, {"_id": document["_id"]}, set={"deleted_at": LONG_AGO})
    else:
        run.store.erase(child.name, document)
