"""How many uploads a process receives at once: each holds a thread for as long as its client takes."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from machine.http.problem import Problem

RETRY_SECONDS = 5


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


def install(app: Any) -> None:
    """Give an application its places."""
    app.receiving = Slots(max(1, app.settings.api_threads // 2))
