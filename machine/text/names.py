"""What a name must not do: pass for another one by look-alikes, turn the text around it, or speak for the platform.

Names are what stands beside what somebody did, so readers take them for who did it: of people and of channels, those
in URLs (`handle`) and those shown (`name`; machine/text/kinds.py).
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from machine.text.folding import IGNORED
from machine.text.lookalikes import TABLE, read_as, script_of

RESERVED = "is reserved: it would seem to speak for this platform"
# Alphabets with so many common letters that a word of two of them is hardly meant (UTS #39, highly restrictive).
COUSINS = frozenset(("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "COPTIC", "CHEROKEE"))
ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# What the letters of each script are read as.
SEEN: dict[str, set[str]] = {"LATIN": set(ALPHABET)}
for one, seen in TABLE.items():
    SEEN.setdefault(script_of(one), set()).add(seen)
# Digits and signs that are written for letters; of l, i and 1 nobody can tell which one stands there.
DIGITS = str.maketrans("013457l", "oieasti")
SIGNS = str.maketrans("@$!|\u20ac", "asiie")
# Two letters that are read as one.
JOINED = (("rn", "m"), ("vv", "w"))


def skeleton(text: str) -> str:
    """Return the letters and digits that a text is read as: equal for texts that readers take for each other."""
    apart = unicodedata.normalize("NFKD", IGNORED.sub("", text))
    bare = "".join(read_as(one) for one in apart if unicodedata.category(one) not in ("Mn", "Me"))
    letters = "".join(one for one in bare.casefold().translate(DIGITS) if one.isalnum())
    for two, joined in JOINED:
        letters = letters.replace(two, joined)
    return letters


def skeletons(text: str) -> set[str]:
    """Return what a text is read as, with its signs for letters or without them, in either case.

    Look-alikes differ by case: a capital of Cyrillic may look like a letter of Latin, and the small one like none.
    """
    cases = (text, text.lower(), text.upper())
    return {skeleton(one) for case in cases for one in (case, case.translate(SIGNS))} - {""}


@lru_cache(16)
def reserved_skeletons(words: tuple[str, ...]) -> frozenset[str]:
    """Return what the reserved words are read as."""
    return frozenset(one for word in words for one in skeletons(word))


def is_reserved(text: str, words: tuple[str, ...]) -> bool:
    """Tell whether a text as a whole is read as one of these words."""
    return not reserved_skeletons(words).isdisjoint(skeletons(text))


def issues_of_scripts(text: str) -> Iterator[str]:
    """Yield what is wrong with the letters of a name: in a word of two alphabets they must not look alike."""
    for word in words_of(IGNORED.sub("", text)):
        scripts = {script_of(one) for one in word} - {""}
        if len(scripts) > 1 and (has_cousins(word, scripts) or is_read_as_latin(word)):
            told = " and ".join(sorted(script.capitalize() for script in scripts))
            yield f"must keep to one alphabet in each word: in one of its words letters of {told} look alike"
            return


def words_of(text: str) -> list[str]:
    """Return the runs of letters, with the marks and digits among them."""
    return "".join(one if unicodedata.category(one)[0] in "LMN" else " " for one in text).split()


def has_cousins(word: str, scripts: set[str]) -> bool:
    """Tell whether a letter looks like one of another alphabet that the word has too."""
    near = scripts & COUSINS
    return any(
        read_as(one) in SEEN[script]
        for one in word
        if script_of(one) in near
        for script in near - {script_of(one)}
    )


def is_read_as_latin(word: str) -> bool:
    """Tell whether each letter of a word is one of Latin, or looks like one."""
    return all(
        script_of(one) == "LATIN" or read_as(one).isascii()
        for one in word
        if unicodedata.category(one).startswith("L")
    )
