"""Who is mentioned in a text: `@username`, as many as exist."""

import re
from typing import Any

from bson import ObjectId
from pymongo.database import Database

MOST = 20
MENTION = re.compile(r"(?<![\w.@-])@([A-Za-z0-9][A-Za-z0-9_.-]{2,29})")


def mentioned_names(text: str) -> list[str]:
    """Return the case-folded names a text mentions, each once; a full stop at the end is no part of a name."""
    names = (name.rstrip(".-").casefold() for name in MENTION.findall(text))
    return list(dict.fromkeys(names))[:MOST]


def find_mentioned(db: Database[Any], text: str) -> list[ObjectId]:
    """Return the ids of the active users that a text mentions; one query, none where nobody is mentioned."""
    names = mentioned_names(text)
    if not names:
        return []
    found = db["users"].find({"username_key": {"$in": names}, "status": "active"}, {"_id": 1})
    return [user["_id"] for user in found]
