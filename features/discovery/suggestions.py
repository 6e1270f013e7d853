"""What a text that is being typed may become: titles and handles that begin with it, from their folded copies.

In a script without spaces a word within a title begins nowhere that anybody could see, so titles are also looked up
by the words of their runs.
"""

from collections.abc import Mapping
from typing import Any

from pymongo.database import Database

from features.discovery.search import Stages, prefix
from features.discovery.text_query import as_text_query
from machine.read.documents import LONGEST_QUERY
from machine.text.folding import fold_name
from machine.text.segments import has_runs

# How many titles and handles there are at most, and how many videos are looked at for them: by the beginning of their
# titles, and by their words, which may also stand in the description.
TITLES, HANDLES, LOOKED_AT, READ = 6, 4, 20, 200
Document = dict[str, Any]


def suggestions(db: Database[Any], listed: Mapping[str, Any], start: str) -> list[Document]:
    """Return (`type`, `text`) of what a folded text may become, what begins with it first; one query."""
    beginning = [{"$match": {**listed, "title_key": prefix(start)}}, {"$sort": {"title_key": 1}}]
    handles: Stages = [
        {"$match": {"handle_key": prefix(fold_name(start) or "@")}},
        {"$limit": HANDLES},
        {"$project": {"_id": 0, "type": {"$literal": "channel"}, "text": {"$concat": ["@", "$handle"]}}},
    ]
    stages = [*titles(beginning), {"$unionWith": {"coll": "channels", "pipeline": handles}}]
    if has_runs(start):
        within: Stages = [
            {"$match": {**listed, "$text": {"$search": as_text_query(start)}}},
            {"$limit": READ},
        ]
        stages.append({"$unionWith": {"coll": "videos", "pipeline": titles([*within, *by_title(start)])}})
    rows = db["videos"].aggregate(stages, maxTimeMS=LONGEST_QUERY)
    once = list({(row["type"], row["text"]): row for row in rows}.values())
    video = [row for row in once if row["type"] == "video"][:TITLES]
    return [*video, *(row for row in once if row["type"] != "video")]


def titles(found: Stages) -> Stages:
    """Return the stages that make titles of some videos, each once however many have it."""
    return [
        *found,
        {"$limit": LOOKED_AT},
        {"$group": {"_id": "$title_key", "text": {"$first": "$title"}}},
        {"$limit": TITLES},
        {"$project": {"_id": 0, "type": {"$literal": "video"}, "text": 1}},
    ]


def by_title(start: str) -> Stages:
    """Return the stage that leaves those in whose title the text stands: tags and descriptions are not suggested."""
    return [{"$match": {"$expr": {"$gte": [{"$indexOfCP": ["$title_key", start]}, 0]}}}]
