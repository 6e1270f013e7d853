"""How many uploads a process receives at once, and that they begin and end one after the other.

Each holds a thread for as long as its client takes, and costs some twenty commands and two syncs of the disk.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from machine.http.problem import Problem

RETRY_SECONDS = 5
# A turn takes milliseconds; where MongoDB is slow, a request goes on without one after this many seconds.
TURN_SECONDS = 1.0


class Slots:
    """A number of places; a request that finds none free gets 503 at once, rather than wait in a thread."""

    def __init__(self, most: int) -> None:
        self.free = threading.BoundedSemaphore(most)

    @contextlib.contextmanager
    def take(self) -> Iterator[None]:
        """Hold a place for the time of the block; 503 when all are taken."""
        if not self.free.acquire(blocking=False):
            raise Problem(
                503,
                "unavailable",
                "Too many uploads are being received. Try again soon.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        try:
            yield
        finally:
            self.free.release()


class Turns:
    """Lets what is heavy happen one after the other, so that what is light comes in between. It excludes nothing."""

    def __init__(self) -> None:
        self.turn = threading.Lock()

    @contextlib.contextmanager
    def take(self) -> Iterator[None]:
        """Wait for the turn, but not for long, and hold it for the time of the block."""
        mine = self.turn.acquire(timeout=TURN_SECONDS)
        try:
            yield
        finally:
            if mine:
                self.turn.release()


def install(app: Any) -> None:
    """Give an application its places and its turn."""
    app.receiving = Slots(max(1, app.settings.api_threads // 2))
    app.turns = Turns()
