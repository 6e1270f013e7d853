"""Words that too many videos contain to be worth looking up: as stop words are, in whatever languages are spoken here.

A text index scores every document that contains a word, so a word in half of all videos costs as much as half of
them. Which words these are is found by a job in a sample; searches leave them out, or, where nothing else was asked
for, walk the newest videos until a page is full, which is soon, since so many contain them.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pymongo.database import Database

from machine.text.segments import RUN, words_of

COLLECTION, KEY = "search_words", "videos"
SAMPLE = 2000
# A word that this many videos contain, or this share of a small library, is common.
MOST_HITS, SHARES = 5000, (0.005, 0.05)
FRESH_SECONDS = 60.0
Document = Mapping[str, Any]


def find_common(db: Database[Any], listed: Document) -> list[str]:
    """Return the common words, the commonest first, from a random sample of the listed videos."""
    total = db["videos"].estimated_document_count()
    if total < SAMPLE:
        return []
    share = min(SHARES[1], max(SHARES[0], MOST_HITS / total))
    fields = {"title": 1, "tags": 1, "description": 1}
    seen: Counter[str] = Counter()
    sampled = 0
    for video in db["videos"].aggregate(
        [{"$sample": {"size": SAMPLE}}, {"$match": dict(listed)}, {"$project": fields}]
    ):
        texts = [video.get("title") or "", video.get("description") or "", *(video.get("tags") or [])]
        seen.update({word for text in texts for word in words_of(text)})
        sampled += 1
    return [word for word, count in seen.most_common() if count > max(5, share * sampled)]


class CommonWords:
    """What this process knows of the common words; read again after a minute."""

    def __init__(self, db: Database[Any]) -> None:
        self.db = db
        self.lock = threading.Lock()
        self.known: dict[str, int] = {}
        self.read_at = float("-inf")

    def ranks(self) -> dict[str, int]:
        """Return the rank of each common word; the commonest has rank 0."""
        with self.lock:
            if time.monotonic() - self.read_at < FRESH_SECONDS:
                return self.known
            self.read_at = time.monotonic()
        found = self.db[COLLECTION].find_one({"_id": KEY}) or {"words": []}
        self.known = {word: rank for rank, word in enumerate(found["words"])}
        return self.known

    def without(self, query: str) -> tuple[str, list[str]]:
        """Return the query without its common words, and those, the rarest first. Phrases and exclusions stay."""
        ranks = self.ranks()
        if '"' in query:
            return query, []
        kept, common = [], []
        for part in query.split():
            words = words_of(part)
            if words and not part.startswith("-") and all(word in ranks for word in words):
                common += words
            else:
                kept.append(part)
        return " ".join(kept), sorted(set(common), key=lambda word: -ranks[word])


def containing(words: Iterable[str]) -> dict[str, Any]:
    """Return the filter of the videos that contain all of these words somewhere, within a run if they are of one."""
    return {"$and": [contained(word) for word in words]}


def contained(word: str) -> dict[str, Any]:
    """Return the filter of the videos that contain a word somewhere."""
    within = RUN.fullmatch(word) is not None
    pattern = re.escape(word) if within else rf"\b{re.escape(word)}\b"
    return {"$or": [
        {"title_key": {"$regex": pattern}},
        {"tag_keys": {"$regex": pattern} if within else word},
        {"description": {"$regex": pattern, "$options": "i"}},
    ]}  # fmt: skip
