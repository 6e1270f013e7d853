"""How words are compared: one function, by which every key beside a text is made and everything asked is turned.

It is NFKC_Casefold of Unicode 3.13 (D146), by which "ＭＵＳＩＣ", "Music" and "music" are one, with two letters more:
the dotted capital and the dotless small i of Turkish are an i, since nobody knows the language of a word.
"""

import re
import unicodedata

# Default_Ignorable_Code_Point, DerivedCoreProperties.txt: joiners, marks of direction, variation selectors, fillers.
IGNORED = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def fold(text: str) -> str:
    """Return what is compared of a text: without case, width, form of composition, and what shows nothing."""
    if text.isascii():
        return " ".join(text.casefold().split())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    folded = IGNORED.sub("", folded).replace("i\u0307", "i").replace("\u0131", "i")
    # A space that a compatible letter brings ("\xb4" is a space and an accent) is none that anybody typed.
    return " ".join(unicodedata.normalize("NFC", folded).split())


def fold_tag(text: str) -> str:
    """Return what is compared of a tag: as many write it with a # before it."""
    folded = fold(text)
    return folded.lstrip("# ") or folded


def fold_name(text: str) -> str:
    """Return what is compared of a name: as many write it with an @ before it."""
    return fold(text).lstrip("@")
