"""What a process still has to send to a part that may be away: noted, sent in lots, forgotten once sent.

Between sending a lot and forgetting it, another thread may note the same again. Subtracting the lot by name would
forget that too, so each note carries a serial, and only a note with the serial that was sent is forgotten.
"""

import threading
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Owed(Generic[K, V]):
    """The debts of one process, by key; a later one of a key replaces the earlier. Threads share it."""

    def __init__(self, most: int, instead: Mapping[K, V] | None = None) -> None:
        """Hold at most `most`; beyond that `instead` is owed in place of all, or without it the oldest are lost."""
        self.most = most
        self.instead = instead
        self.notes: dict[K, tuple[int, V]] = {}
        self.serial = 0
        self.lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self.notes)

    def __len__(self) -> int:
        return len(self.notes)

    def owe(self, debts: Mapping[K, V]) -> None:
        """Note debts."""
        with self.lock:
            self.note(debts)
            if len(self.notes) > self.most and self.instead is not None:
                self.notes = {}
                self.note(self.instead)
            while len(self.notes) > self.most:
                del self.notes[next(iter(self.notes))]

    def note(self, debts: Mapping[K, V]) -> None:
        """Write debts down as the newest; the caller holds the lock."""
        for key, value in debts.items():
            self.serial += 1
            self.notes.pop(key, None)
            self.notes[key] = (self.serial, value)

    def due(self) -> dict[K, tuple[int, V]]:
        """Return what is owed now, {key: (serial, value)}: send it, and hand it to `paid`."""
        with self.lock:
            return dict(self.notes)

    def paid(self, lot: Mapping[K, tuple[int, V]]) -> None:
        """Forget what was sent, but for what was owed anew in the meantime."""
        with self.lock:
            for key, (serial, _) in lot.items():
                if key in self.notes and self.notes[key][0] == serial:
                    del self.notes[key]
