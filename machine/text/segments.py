"""Words in scripts that put no spaces between them, so that an index of words finds what stands inside a run.

A run of such a script is indexed as its bigrams: each two letters that stand together (the usual way without a
dictionary: Unicode's own word break, UAX #29, gives up on these scripts). A letter is a character with the marks
upon it, as Thai, Khmer and Burmese write their vowels. The letters alone are indexed too, since a word of Chinese or
Japanese may be one.
"""

import re
import unicodedata
from collections.abc import Iterator

from machine.text.folding import fold

# Blocks by the Unicode Standard: the letters, with their marks, of scripts of which a run may be several words.
BLOCKS = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff"  # Myanmar
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u1b00-\u1b7f\ua980-\ua9df"  # Balinese, Javanese
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Hangul: particles follow a word without a space
    "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b"  # marks of repetition, Han numerals
    "\u3040-\u309f\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Hiragana, Katakana
    "\u3100-\u312f\u31a0-\u31bf"  # Bopomofo
    "\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
# What stands in these blocks and is no letter: signs of punctuation and of currency, digits are letters enough.
SIGNS = (
    "\u0e3f\u0e4f\u0e5a\u0e5b\u0f01-\u0f17\u0f3a-\u0f3d\u0f85\u104a-\u104f\u17d4-\u17db"
    "\u1b5a-\u1b6a\ua9c1-\ua9cd\u30a0\u30fb"
)
LETTER = re.compile(f"(?![{SIGNS}])[{BLOCKS}]")
RUN = re.compile(f"(?:(?![{SIGNS}])[{BLOCKS}])+")
WORD = re.compile(r"\w+")


def has_runs(text: str) -> bool:
    """Tell whether some of a text is in a script without spaces."""
    return not text.isascii() and RUN.search(text) is not None


def letters_of(run: str) -> list[str]:
    """Return the letters of a run, each with the marks upon it."""
    letters: list[str] = []
    for one in run:
        if letters and unicodedata.category(one) in ("Mn", "Mc", "Me"):
            letters[-1] += one
        else:
            letters.append(one)
    return letters


def bigrams(run: str) -> list[str]:
    """Return the bigrams of a run in their order; the letter itself where there is but one."""
    letters = letters_of(run)
    return [a + b for a, b in zip(letters, letters[1:], strict=False)] or letters


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text, folded: those with spaces around them, and the bigrams of what has none."""
    for word in WORD.findall(fold(text)) if text.isascii() else fold(text).split():
        for part in re.split(f"({RUN.pattern})", word):
            yield from bigrams(part) if RUN.fullmatch(part) else WORD.findall(part)


def indexed(text: str) -> str | None:
    """Return what an index of words must hold of a text beside it, None where its own words are enough.

    Of each run its bigrams in their order, then its letters; of the other words those that folding changes otherwise
    than an index does by itself, which takes case and accents away.
    """
    if text.isascii():
        return None
    parts: dict[str, None] = {}
    letters: dict[str, None] = {}
    for word in fold(text).split():
        for part in re.split(f"({RUN.pattern})", word):
            if RUN.fullmatch(part):
                parts[" ".join(bigrams(part))] = None
                letters |= dict.fromkeys(letters_of(part))
    plain = text.lower()
    for word in WORD.findall(RUN.sub(" ", fold(text))):
        if word not in plain:
            parts[word] = None
    return " ".join([*parts, *(one for one in letters if one not in parts)]) or None
