"""Purge what was deleted and not restored in time; what is left elsewhere is owed in the same transaction."""

from typing import Any

from pymongo.client_session import ClientSession

from tasks.delete_media import owe_deletion
from tasks.job import GiveUp, Run, job


def purge_key(resource: str, document: dict[str, Any]) -> str:
    """Return the key of the job that purges one deletion: what was restored may be deleted again."""
    return f"purge:{resource}:{document['_id']}:{document['deleted_at']:%Y%m%d%H%M%S%f}"


@job("purge", attempts=8)
def purge(run: Run) -> None:
    """Erase one document for good, in one transaction with the jobs that clean up after it."""
    resource = run.job["subject"]["resource"]
    document = run.store.get(resource, run.subject_id)
    if document is None:
        return
    deleted_at = document.get("deleted_at")
    # Restored and deleted again: the later deletion has a purge and a time of its own.
    if not deleted_at or deleted_at != run.payload.get("deleted_at", deleted_at):
        raise GiveUp("restored", "It was restored in the meantime.")

    def erase(session: ClientSession) -> None:
        for public_id, resource_type in remote_files(run, resource, document):
            owe_deletion(run, public_id, session, resource_type)
        if not run.store.erase(resource, document, session):
            raise RuntimeError("changed since it was read")

    run.finish(erase)


def remote_files(run: Run, resource: str, document: dict[str, Any]) -> list[tuple[str, str]]:
    """List the files at Cloudinary that belong to a document alone."""
    if resource != "videos":
        return []
    files = []
    for field in ("media", "cover"):
        if document.get(field):
            files.append((document[field]["public_id"], "video" if field == "media" else "image"))
    pending = document.get("pending_media")
    if pending:
        files.append((run.services.media.public_id(document["_id"], pending["version"]), "video"))
    return files
