"""Server-sent events (WHATWG HTML, 9.2): what a stream sends, and who has one of a process's places for streams."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from bson import ObjectId

from machine.http.json_text import dump

# One person may not take them all; a few tabs and a telephone are enough.
MOST_EACH = 3
RETRY_MS = 3000

Position = tuple[datetime, ObjectId]


class Placed(Protocol):
    """What takes a place: whose it is, and the network it comes from."""

    account: Any
    network: str


P = TypeVar("P", bound=Placed)


class Places(Generic[P]):
    """A number of places. A newcomer always gets one: if none is free, the account or network with most loses one.

    It keeps order, not time: what took its place first stands first. Not for several threads at once.
    """

    def __init__(self, most: int, most_each: int = MOST_EACH) -> None:
        self.most = most
        self.most_each = most_each
        self.taken: dict[P, None] = {}

    def take(self, one: P) -> list[P]:
        """Give a place; return those who lose theirs for it."""
        lost = []
        own = [other for other in self.taken if other.account == one.account]
        if len(own) >= self.most_each:
            lost.append(own[0])
        elif len(self.taken) >= self.most:
            lost.append(whose_turn(self.taken, one))
        for other in lost:
            self.give_back(other)
        self.taken[one] = None
        return lost

    def give_back(self, one: P) -> None:
        """Free a place; again changes nothing."""
        self.taken.pop(one, None)


def whose_turn(taken: Iterable[P], newcomer: P) -> P:
    """Return who makes room: the oldest of the account or network that holds most, the newcomer's counted in."""
    waiting = list(taken)
    every = [*waiting, newcomer]
    accounts = Counter(one.account for one in every)
    networks = Counter(one.network for one in every)

    def held(one: P) -> tuple[int, int]:
        account = accounts[one.account]
        return max(account, networks[one.network]), account

    return max(waiting, key=held)


def write_event(kind: str, event_id: str, data: Any) -> bytes:
    """Write one event."""
    return f"id: {event_id}\nevent: {kind}\ndata: ".encode() + dump(data) + b"\n\n"


def write_end(reason: str, retry_ms: int) -> bytes:
    """Write why a stream ends before its time, and when to come again. It has no id: the position stays."""
    return f'retry: {retry_ms}\nevent: end\ndata: {{"reason":"{reason}"}}\n\n'.encode()


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
