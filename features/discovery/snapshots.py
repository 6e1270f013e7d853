"""Rankings kept for a while, so that the pages of one feed belong together. Without Redis each page ranks anew."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from bson import ObjectId
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from features.backend import Backend

Entry = tuple[ObjectId, str]
# A ranking is made anew after this many seconds; one that is being read is kept much longer.
FRESH_SECONDS = 60
KEPT_SECONDS = 1800


def generation() -> int:
    """Return the number of the present ranking."""
    return int(time.time() // FRESH_SECONDS)


def ranking(services: "Backend", name: str, number: int, make: Callable[[], list[Entry]]) -> list[Entry]:
    """Return a ranking as it was made, or make it."""
    key = f"ranking:{name}:{number}"
    try:
        kept: Any = services.redis.get(key)
    except RedisError:
        return make()
    if kept:
        return [(ObjectId(id_), reason) for id_, reason in orjson.loads(kept)]
    made = make()
    try:
        services.redis.set(key, orjson.dumps([(str(id_), reason) for id_, reason in made]), ex=KEPT_SECONDS)
    except RedisError:
        return made
    return made
