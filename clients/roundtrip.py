"""One command in one round trip, on a connection of the thread's own: redis-py's layers cost more than Redis."""

import os
import threading
from typing import Any

from redis.exceptions import ConnectionError


class Roundtrip:
    """Sends commands that were packed before. Errors are redis-py's."""

    def __init__(self, services: Any) -> None:
        self.services = services
        self.own = threading.local()

    def pack(self, *words: str) -> list[bytes]:
        """Return a command as it goes over the wire."""
        packed: list[bytes] = self.connection().pack_command(*words)
        return packed

    def ask(self, packed: list[bytes]) -> Any:
        """Send a packed command and return its answer, with bytes as bytes."""
        try:
            return self.exchange(packed)
        except ConnectionError:
            # Redis may have closed a connection that was idle, or have been restarted: the next try connects anew.
            return self.exchange(packed)

    def exchange(self, packed: list[bytes]) -> Any:
        """Send and receive; a connection that fails is closed by redis-py."""
        connection = self.connection()
        connection.send_packed_command(packed, check_health=False)
        return connection.read_response(disable_decoding=True)

    def connection(self) -> Any:
        """Return this thread's connection; a child of a fork must not share its parent's."""
        if getattr(self.own, "pid", None) != os.getpid():
            self.own.connection = self.services.redis.connection_pool.make_connection()
            self.own.pid = os.getpid()
        return self.own.connection
