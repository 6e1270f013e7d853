"""The collections in which the documents of resources lie, read as they are stored."""

from typing import Any

from bson import ObjectId
from bson.codec_options import CodecOptions
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database

from machine.services import Services

Document = dict[str, Any]
# Dates that only the renderer sees are read without a time zone: that saves a fifth of the time of a list.
NAIVE: CodecOptions[Document] = CodecOptions(tz_aware=False)


class Collections:
    """The collections of one process. Who may see what they return is not known here."""

    def __init__(self, services: Services) -> None:
        self.services = services
        # Those of the present database, kept: making one costs a twentieth of a read.
        self.known: tuple[Database[Document] | None, dict[tuple[str, bool], Collection[Document]]] = None, {}

    @property
    def db(self) -> Database[Document]:
        """The database, connected on first use."""
        return self.services.db

    def collection(self, resource: str, naive: bool = False) -> Collection[Document]:
        """Return the collection of a resource; `naive`: one whose dates come without their zone, which is UTC."""
        db, (kept_of, known) = self.services.db, self.known
        if db is not kept_of:
            known = {}
            self.known = db, known
        found = known.get((resource, naive))
        if found is None:
            found = db[resource].with_options(codec_options=NAIVE) if naive else db[resource]
            known[resource, naive] = found
        return found

    def get(self, resource: str, id_: ObjectId, session: ClientSession | None = None) -> Document | None:
        """Return the stored document, without asking who may see it."""
        return self.collection(resource).find_one({"_id": id_}, session=session)
