"""Collects complaints, each with its place and the nearest right word."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any


class Complaints:
    """A list of sentences shared by all places; `at` goes one step further into a file."""

    def __init__(self, place: str = "", found: list[str] | None = None) -> None:
        self.place = place
        self.found: list[str] = [] if found is None else found

    def of(self, file: str) -> "Complaints":
        """Return the place of a file, with a list of its own that also fills the whole."""
        return FileComplaints(file, self.found)

    def at(self, key: str) -> "Complaints":
        """Return a place further in."""
        place = f"{self.place}.{key}" if ": " in self.place else f"{self.place}: {key}"
        return Complaints(place, self.found)

    def say(self, what: str) -> None:
        """Add a complaint about this place."""
        self.found.append(f"{self.place}: {what}")

    def unknown(self, word: Any, right: Collection[Any], kind: str) -> None:
        """Complain about a word that is not among the right ones."""
        near = get_close_matches(str(word), [str(one) for one in right], 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(map(str, right)))}"
        self.say(f"unknown {kind} {word!r}; {hint}")

    def known(self, word: Any, right: Collection[Any], kind: str) -> bool:
        """Tell whether a word is among the right ones, and complain if it is not."""
        if word in right:
            return True
        self.unknown(word, right, kind)
        return False

    def keys(self, given: Mapping[str, Any], right: Collection[str], kind: str = "key") -> bool:
        """Hold the keys of an object against the right ones."""
        return all([self.known(key, right, kind) for key in given])


class FileComplaints(Complaints):
    """The complaints about one file; they also land in the whole list."""

    def __init__(self, place: str, everything: list[str]) -> None:
        super().__init__(place, Shared(everything))


class Shared(list[str]):
    """A list whose additions also go to another list."""

    def __init__(self, everything: list[str]) -> None:
        super().__init__()
        self.everything = everything

    def append(self, sentence: str) -> None:
        """Add to both."""
        super().append(sentence)
        self.everything.append(sentence)
