"""Find the words that are too common to search for."""

from clients import clock
from features.discovery.common_words import COLLECTION, KEY, find_common
from machine.declare.match import as_query
from machine.jobs.periodic import every
from machine.write.store import Store


@every("rollup_seconds")
def note_common_words(store: Store) -> int:
    """Write down the common words of the listed videos; return how many there are."""
    listed = {**as_query(store.registry["videos"].readable or {}), "deleted_at": None}
    words = find_common(store.services.db, listed)
    noted = {"words": words, "made_at": clock.second()}
    store.services.db[COLLECTION].update_one({"_id": KEY}, {"$set": noted}, upsert=True)
    return len(words)
