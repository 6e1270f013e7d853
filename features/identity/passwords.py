"""Hash and verify passwords with argon2id, at most as many at once as there are cores.

What is hashed is a password's prepared form (RFC 8265, OpaqueString): keyboards send one letter in several ways.
"""

import os
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from machine.text.folding import fold
from settings import Settings

MIN_LENGTH = 8
MAX_LENGTH = 256
WAIT_SECONDS = 10.0
# What is drawn as nothing is typed by accident, or pasted, and not found again. Two joiners, and the letters of which
# flags are made, are what keyboards send inside of words and emoji.
JOINERS = frozenset(("\u200c", "\u200d", *map(chr, range(0xE0020, 0xE0080))))
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


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
            return self.pool.submit(self.hasher.hash, as_bytes(prepare(password))).result()

    def verify(self, encoded: str | None, password: str) -> bool:
        """Tell whether the password is the right one. Without a hash the same work is done for nothing."""
        return self.check(encoded, password).right

    def check(self, encoded: str | None, password: str) -> "Checked":
        """Hold a password against a hash: in its prepared form, then as typed, as older versions hashed it.

        How many forms there are follows from what was typed alone, so the work tells nothing of the account. Of what
        most people type there is one.
        """
        forms = tuple(dict.fromkeys((prepare(password), password)))
        with self.turn():
            found = self.pool.submit(self.first_right, encoded or self.dummy, forms).result()
        if encoded is None or found is None:
            return Checked(False)
        return Checked(True, outdated=found > 0 or self.needs_rehash(encoded))

    def first_right(self, encoded: str, forms: Sequence[str]) -> int | None:
        """Return the place of the form that a hash was made of; None if of neither."""
        for place, form in enumerate(forms):
            try:
                self.hasher.verify(encoded, as_bytes(form))
            except (VerificationError, InvalidHashError):
                continue
            return place
        return None

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


@dataclass(frozen=True)
class Checked:
    """Whether a password is right, and whether its hash would be made otherwise today."""

    right: bool
    outdated: bool = False


def prepare(password: str) -> str:
    """Return a password as it is hashed (RFC 8265, 4.2.2): every kind of space is one, and letters are composed."""
    if password.isascii():
        return password
    spaced = "".join(" " if unicodedata.category(one) == "Zs" else one for one in password)
    return unicodedata.normalize("NFC", spaced)


def as_bytes(password: str) -> bytes:
    """Encode a password; a lone surrogate, which JSON can carry, is no reason to fail."""
    return password.encode("utf-8", "surrogatepass")


def complaint(password: str, *names: str | None) -> str | None:
    """Say why a password will not do, or None. Length is what counts (NIST SP 800-63B, 3.1.1.2), as it is prepared."""
    prepared = prepare(password)
    if len(prepared) < MIN_LENGTH:
        return f"must have at least {MIN_LENGTH} characters"
    if len(prepared) > MAX_LENGTH:
        return f"must have at most {MAX_LENGTH} characters"
    if fold(password) in {fold(name) for name in names if name}:
        return "must differ from the name and the address"
    if len(set(prepared)) < 3:
        return "must not be one character repeated"
    return next(filter(None, map(misfit, prepared)), None)


def misfit(one: str) -> str | None:
    """Say why a character is none for a password, or None (FreeformClass of RFC 8264; of what joins: more than it)."""
    category = unicodedata.category(one)
    if category in ("Cc", "Zl", "Zp"):
        return "must hold no control characters, such as a tab or the end of a line"
    if (category == "Cf" and one not in JOINERS) or one in FILLERS:
        return "must hold no invisible characters, such as a space without width"
    if category in ("Cn", "Co", "Cs"):
        return f"must hold nothing that is no character in Unicode {unicodedata.unidata_version}"
    return None
