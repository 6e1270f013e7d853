"""A circuit breaker: after some failures in a row, stop asking for a while."""

import threading
import time

from clients.metrics import BREAKER_OPENED, BREAKER_UNTIL


class Breaker:
    """Counts failures of one outside `part` in this process; threads share it."""

    def __init__(self, failures: int, pause_seconds: float, part: str) -> None:
        self.part = part
        self.failures = failures
        self.pause_seconds = pause_seconds
        self.lock = threading.Lock()
        self.in_a_row = 0
        self.open_until = 0.0

    @property
    def wait_seconds(self) -> float:
        """Seconds until the next try is allowed; 0 when it is allowed now."""
        return max(0.0, self.open_until - time.monotonic())

    def failed(self) -> None:
        """Note a failure. The one that opens the breaker, and each later trial that fails, starts a pause."""
        with self.lock:
            self.in_a_row += 1
            if self.in_a_row >= self.failures:
                BREAKER_OPENED.labels(self.part).inc()
                BREAKER_UNTIL.labels(self.part).set(time.time() + self.pause_seconds)
                self.open_until = time.monotonic() + self.pause_seconds

    def worked(self) -> None:
        """Note a success: the breaker closes."""
        if not self.in_a_row:
            return
        with self.lock:
            self.in_a_row = 0
            self.open_until = 0.0
            BREAKER_UNTIL.labels(self.part).set(0)
