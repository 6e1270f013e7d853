"""Ends jobs that an older version had recorded for planned publications."""

from machine.write.store import Store
from machine.write.upgrade import upgrade


@upgrade
def drop_publications(store: Store) -> int:
    """Drop jobs that waited for the moment of a publication: the sweep finds the videos themselves."""
    waiting = {"type": "publish", "state": "queued"}
    return store.services.db["jobs"].delete_many(waiting).deleted_count
