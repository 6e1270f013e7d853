"""Eve's data layer: what Eve would ask of MongoDB, answered by the store, which checks the policy."""

from typing import Any

import structlog
from bson import ObjectId
from eve.io.mongo import Mongo

from clients import clock
from machine.current import g
from machine.http.errors import as_problem
from machine.http.moments import to_second
from machine.http.problem import Problem
from machine.write.store import Store, touch

log = structlog.get_logger(__name__)


class Driver:
    """What Eve expects of its Mongo driver: a `db`."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def db(self) -> Any:
        """Return the database, connected on first use."""
        return self.store.services.db


class PolicyMongo(Mongo):
    """Eve's data layer. Reads by clients never come here; what remains is what Eve's writes need."""

    # Eve reads dates by one format of strptime, which takes the digits of every script.
    serializers = {**Mongo.serializers, "datetime": to_second}

    def init_app(self, app: Any) -> None:
        """Use the process's one client instead of opening another."""
        self.store: Store = app.store
        self.driver = {"MONGO": Driver(self.store)}
        self.mongo_prefix = None

    def pymongo(self, resource: str | None = None, prefix: str | None = None) -> Driver:
        """Return the one driver."""
        return Driver(self.store)

    def find_one(self, resource: str, req: Any, *args: Any, **lookup: Any) -> Any:
        """Return the document that the hook before this write has read and released for it."""
        original = released()
        if original["_id"] != ObjectId(str(lookup["_id"])):
            raise Problem(404, "not_found")
        return dict(original)

    def insert(self, resource: str, doc_or_docs: Any) -> list[ObjectId]:
        """Insert what Eve has validated and the hooks have prepared."""
        documents = [doc_or_docs] if isinstance(doc_or_docs, dict) else doc_or_docs
        for document in documents:
            document.setdefault("_id", ObjectId())
            document.update(_etag=touch()["_etag"])
        self.store.write(documents, self.base(resource))
        return [document["_id"] for document in documents]

    def update(self, resource: str, id_: ObjectId, updates: dict[str, Any], original: dict[str, Any]) -> None:
        """Apply a PATCH if the document is still the one that was checked."""
        name = self.base(resource)
        updates.update(self.store.registry[name].folded_copies(updates))
        updates["_etag"] = touch()["_etag"]
        self.swap(name, original, {"$set": updates})

    def replace(
        self, resource: str, id_: ObjectId, document: dict[str, Any], original: dict[str, Any]
    ) -> None:
        """Apply a PUT: what clients may write is replaced or dropped, what the machine keeps stays."""
        name = self.base(resource)
        compiled = self.store.registry[name]
        document.update(compiled.folded_copies(document), _etag=touch()["_etag"], _updated=clock.second())
        kept = {"_id", "_created", *compiled.start_values}
        values = {field: value for field, value in document.items() if field not in kept}
        mine = {
            f.name for f in compiled.fields.values() if "server" not in f.write and "create" not in f.write
        }
        gone = [field for field in original if field in mine and field not in values]
        update: dict[str, Any] = {"$set": values}
        if gone:
            update["$unset"] = dict.fromkeys(gone, "")
        after = self.swap(name, original, update)
        document.clear()
        document.update(after)

    def swap(self, resource: str, original: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
        """Compare and swap on the ETag, then let counters and caches follow."""
        try:
            after = self.store.swap(resource, original, update, {})
        except Exception as error:  # Eve would call whatever fails here a bad request
            problem = as_problem(error)
            if (problem.code or 500) >= 500:
                log.warning("write_failed", resource=resource, exc_info=True)
            raise problem from error
        if after is None:
            raise self.OriginalChangedError()
        g.write.after = after
        return after

    def remove(self, resource: str, lookup: dict[str, Any]) -> None:
        """Delete the document that was checked, if it is still the same."""
        if not self.store.remove(self.base(resource), released()):
            raise Problem(412, "etag_mismatch")

    def base(self, resource: str) -> str:
        """Return the resource behind a sub-resource."""
        return str(self.app.base_of.get(resource, resource))


def released() -> dict[str, Any]:
    """Return the document that the hook before this write has released for it; 404 where it released none."""
    if g.write.original is None:
        raise Problem(404, "not_found")
    return g.write.original
