"""Server-sent events (WHATWG HTML, 9.2): what a stream sends, and how many streams one process keeps open."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from services.wire import dump

# Each stream holds a thread of the server, so there may not be many; clients that are sent away look again later.
MOST_STREAMS = 12
# One person may not take them all; a few tabs and a telephone are enough.
MOST_EACH = 3
RETRY_MS = 3000
slots = threading.BoundedSemaphore(MOST_STREAMS)
held: Counter[Any] = Counter()
holding = threading.Lock()

Position = tuple[datetime, ObjectId]


class NoRoom(Exception):
    """This process has as many streams as it can take, or as many as one person may have."""


@contextmanager
def slot(user: Any) -> Iterator[None]:
    """Hold one of the places for streams."""
    with holding:
        if held[user] >= MOST_EACH or not slots.acquire(blocking=False):
            raise NoRoom
        held[user] += 1
    try:
        yield
    finally:
        with holding:
            held[user] -= 1
            if not held[user]:
                del held[user]
        slots.release()


def write_event(kind: str, event_id: str, data: Any) -> bytes:
    """Write one event."""
    return f"id: {event_id}\nevent: {kind}\ndata: ".encode() + dump(data) + b"\n\n"


def write_position(moment: datetime, id_: ObjectId) -> str:
    """Write where a stream is, as the id of an event."""
    return f"{int(moment.timestamp() * 1000)}-{id_}"


def read_position(text: str) -> Position | None:
    """Read the `Last-Event-ID` of a client; None where it is none of ours."""
    head, _, tail = text.partition("-")
    # Fourteen digits reach beyond the year 5000, and no further than a date can.
    if not (head.isascii() and head.isdigit() and len(head) <= 14 and ObjectId.is_valid(tail)):
        return None
    return datetime.fromtimestamp(int(head) / 1000, UTC), ObjectId(tail)
