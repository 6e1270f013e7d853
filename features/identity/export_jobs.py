"""Collects everything personal of one user into a zip: what `fields.pii` names, and whatever they own."""

import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from bson import ObjectId

from features.backend import backend_of
from features.identity import accounts, exports
from machine.access.rights import OWNER_WORDS, hidden_fields
from machine.declare.resource import Resource
from machine.jobs.job import GiveUp, Run, job
from machine.write.store import Store

README = """Everything that this site keeps about you, one JSON document per line and one file per kind.

account.jsonl         your account, with the address it uses
audit_log.jsonl       what you did that was written down for security
<anything else>.jsonl what you made or own
"""


@job("export", attempts=5)
def export(run: Run) -> None:
    """Write the zip and keep it for a week under the job's id."""
    user = run.store.get("users", run.subject_id)
    if user is None:
        raise GiveUp("gone", "The account is gone.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.txt", README)
            for name, documents in collect(run.store, user):
                run.check()
                with archive.open(f"{name}.jsonl", "w") as file:
                    for document in documents:
                        file.write(orjson.dumps(document, default=str, option=orjson.OPT_APPEND_NEWLINE))
        exports.keep(run.services.db, run.job["_id"], user["_id"], path)
    # The account may be gone by now, and its cascade may have looked for exports before this one was there.
    if run.store.get("users", run.subject_id) is None:
        exports.drop(run.services.db, {"_id": run.job["_id"]})
        raise GiveUp("gone", "The account is gone.")


def collect(store: Store, user: dict[str, Any]) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Yield (name, documents) of everything that is the user's."""
    account = {**show(store.registry["users"], user), "email": accounts.address_of(backend_of(store), user)}
    yield "account", iter([account])
    yield "audit_log", store.services.db["audit_log"].find({"actor": user["_id"]})
    for resource in store.registry:
        if resource.owner and resource.owner != "_id":
            yield resource.name, owned(store, resource, user["_id"])


def owned(store: Store, resource: Resource, user: ObjectId) -> Iterator[dict[str, Any]]:
    """Yield the documents of a resource that the user owns, as they may see them."""
    for document in store.collection(resource.name).find({resource.owner: user}):
        yield show(resource, document)


def show(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a document that its owner may read."""
    hidden = hidden_fields(resource, OWNER_WORDS)
    return {name: value for name, value in document.items() if name in resource.fields and name not in hidden}
