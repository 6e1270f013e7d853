"""Hash and verify passwords with argon2id, at most as many at once as there are cores."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from settings import Settings

MIN_LENGTH = 8
MAX_LENGTH = 256
WAIT_SECONDS = 10.0


class Busy(Exception):
    """Too many passwords are being checked at once; try again soon."""


class Passwords:
    """Argon2id with m=19 MiB, t=2, p=1 (OWASP Password Storage Cheat Sheet)."""

    def __init__(self, settings: Settings) -> None:
        self.hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        # Each hash takes a core for a while; more at once would only slow every other request.
        cores = os.cpu_count() or 1
        self.turns = threading.BoundedSemaphore(cores)
        # In threads of their own, since glibc keeps 19 MiB for each thread that has ever made a hash.
        self.pool = ThreadPoolExecutor(cores, thread_name_prefix="passwords")
        # Nobody's password: what a login for an unknown name is checked against.
        self.dummy = self.hasher.hash(os.urandom(16))

    def hash(self, password: str) -> str:
        """Return the encoded hash. Raise Busy when no core gets free in time."""
        with self.turn():
            return self.pool.submit(self.hasher.hash, as_bytes(password)).result()

    def verify(self, encoded: str | None, password: str) -> bool:
        """Tell whether the password is the right one. Without a hash the same work is done for nothing."""
        with self.turn():
            try:
                self.pool.submit(self.hasher.verify, encoded or self.dummy, as_bytes(password)).result()
            except (VerificationError, InvalidHashError):
                return False
        return encoded is not None

    def needs_rehash(self, encoded: str) -> bool:
        """Tell whether the hash was made with other parameters than today's."""
        return self.hasher.check_needs_rehash(encoded)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a core."""
        if not self.turns.acquire(timeout=WAIT_SECONDS):
            raise Busy
        try:
            yield
        finally:
            self.turns.release()


def as_bytes(password: str) -> bytes:
    """Encode a password; a lone surrogate, which JSON can carry, is no reason to fail."""
    return password.encode("utf-8", "surrogatepass")


def complaint(password: str, *names: str | None) -> str | None:
    """Say why a password will not do, or None. Length is what counts (NIST SP 800-63B, 3.1.1.2)."""
    if len(password) < MIN_LENGTH:
        return f"must have at least {MIN_LENGTH} characters"
    if len(password) > MAX_LENGTH:
        return f"must have at most {MAX_LENGTH} characters"
    if password.casefold() in {name.casefold() for name in names if name}:
        return "must differ from the name and the address"
    if len(set(password)) < 3:
        return "must not be one character repeated"
    return None
