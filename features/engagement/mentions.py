"""Who is mentioned in a text: `@username`, as many as exist."""

import re
from collections.abc import Iterator
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from machine.text.folding import fold
from machine.text.segments import LETTER

MOST = 20
SHORTEST = 3
# Not within a word or an address, unless of a script that puts no space before it; of what may be a name as much as
# there is, and no more than a name may have. Keyboards for Chinese and Japanese have an @ of full width too.
MENTION = re.compile(
    rf"(?:(?<![\w.@\uff20-])|(?<={LETTER.pattern}))[@\uff20]([A-Za-z0-9][A-Za-z0-9_.-]{{2,29}}+)(?![A-Za-z0-9_])"
)


def mentioned_names(text: str) -> list[str]:
    """Return the folded names that a text may mention, each once.

    A full stop at the end is part of a name or of the sentence. That cannot be known, so both are meant.
    """
    written = dict.fromkeys(fold(name) for name in MENTION.findall(text))
    return list(dict.fromkeys(name for one in list(written)[:MOST] for name in readings(one)))


def readings(name: str) -> Iterator[str]:
    """Yield a name as it is written, and without each of the full stops and hyphens at its end."""
    yield name
    while name[-1] in ".-" and len(name) > SHORTEST:
        name = name[:-1]
        yield name


def find_mentioned(db: Database[Any], text: str) -> list[ObjectId]:
    """Return the ids of the active users that a text mentions; one query, none where nobody is mentioned."""
    names = mentioned_names(text)
    if not names:
        return []
    found = db["users"].find({"username_key": {"$in": names}, "status": "active"}, {"_id": 1})
    return [user["_id"] for user in found.limit(MOST)]
