"""Search: which documents match some words, in which order. The text index does it; Atlas Search can instead."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from features.discovery.text_query import as_text_query
from settings import Settings

Stages = list[dict[str, Any]]
Sort = tuple[tuple[str, int], ...]
RELEVANCE: Sort = (("score", -1), ("_id", -1))


@dataclass(frozen=True)
class Wanted:
    """What is searched for: words, a filter that holds in any case, an order, and where the page before ended."""

    resource: str
    words: str
    condition: Mapping[str, Any]
    sort: Sort
    beyond: Mapping[str, Any] | None
    limit: int
    projection: Mapping[str, int]
    # Where words are looked for, and how much a hit there weighs: `searched` of the resource.
    weights: Mapping[str, int]


class Engine(Protocol):
    """Finds documents. Both engines answer the same contract tests."""

    def stages(self, wanted: Wanted) -> Stages:
        """Return the one aggregation that answers a page."""


class TextIndex:
    """MongoDB's own text index: whole words, any of them, weighted; quotes make a phrase, a minus leaves out."""

    def stages(self, wanted: Wanted) -> Stages:
        """Match by the index, then sort by its score or by a field."""
        text = {"$text": {"$search": as_text_query(wanted.words)}} if wanted.words else {}
        score = {"$meta": "textScore"} if wanted.words else {"$literal": 0}
        return [{"$match": {**wanted.condition, **text}}, *finish(wanted, score)]


class AtlasSearch:
    """Atlas Search, where the deployment has an index named `marquee` on each collection."""

    def stages(self, wanted: Wanted) -> Stages:
        """Match by the search index, then filter, then sort."""
        score = {"$meta": "searchScore"}
        if not wanted.words:
            return [{"$match": dict(wanted.condition)}, *finish(wanted, {"$literal": 0})]
        should = [
            {"text": {"query": wanted.words, "path": path, "score": {"boost": {"value": weight}}}}
            for path, weight in wanted.weights.items()
        ]
        search = {"$search": {"index": "marquee", "compound": {"should": should, "minimumShouldMatch": 1}}}
        return [search, {"$match": dict(wanted.condition)}, *finish(wanted, score)]


def finish(wanted: Wanted, score: Mapping[str, Any]) -> Stages:
    """Return the stages after the match: score, position, order, one more than the page, only what is shown."""
    stages: Stages = [{"$set": {"score": score}}] if wanted.sort == RELEVANCE else []
    if wanted.beyond:
        stages.append({"$match": dict(wanted.beyond)})
    stages += [{"$sort": dict(wanted.sort)}, {"$limit": wanted.limit + 1}]
    keep = {**wanted.projection, "score": 1} if wanted.sort == RELEVANCE else dict(wanted.projection)
    return [*stages, {"$project": keep}]


ENGINES: dict[str, type[TextIndex] | type[AtlasSearch]] = {"text": TextIndex, "atlas": AtlasSearch}


def engine_of(settings: Settings) -> Engine:
    """Return the engine that the settings name."""
    return ENGINES[settings.search_engine]()


def prefix(text: str) -> dict[str, str]:
    """Return the range of the words that begin with a text; any index on the field serves it."""
    return {"$gte": text, "$lt": text + "\U0010ffff"}
