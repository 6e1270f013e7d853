"""Find the words that are too common to search for."""

from clients import clock
from features.discovery.common_words import COLLECTION, KEY, find_common
from machine.access.rights import listed
from machine.jobs.periodic import every
from machine.write.store import Store


@every("rollup_seconds")
def note_common_words(store: Store) -> int:
    """Write down the common words of the listed videos; return how many there are."""
    words = find_common(store.services.db, listed(store.registry["videos"]))
    noted = {"words": words, "made_at": clock.second()}
    store.services.db[COLLECTION].update_one({"_id": KEY}, {"$set": noted}, upsert=True)
    return len(words)
