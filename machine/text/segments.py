"""Words in scripts that put no spaces between them, so that an index of words finds what stands inside a run.

A run of such a script is indexed as its bigrams: each two letters that stand together (the usual way without a
dictionary: Unicode's own word break, UAX #29, gives up on these scripts). A letter is a character with the marks
upon it, as Thai, Khmer and Burmese write their vowels. In short texts the letters alone are indexed too, since a word
of Chinese or Japanese may be one.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from machine.text.folding import fold
from machine.text.kinds import kind_of

# Of letters that any index knows.
CODES = ("code", "handle")
# Blocks by the Unicode Standard: the letters, with their marks, and the digits of scripts of which a run may be several
# words. Their signs of punctuation and of currency are left out.
LETTERS = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e50-\u0e59\u0e81-\u0eff"  # Thai, Lao
    "\u0f00\u0f18-\u0f39\u0f3e-\u0f84\u0f86-\u0fbc"  # Tibetan
    "\u1000-\u1049\u1050-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff"  # Myanmar
    "\u1780-\u17d3\u17dc-\u17ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1a9f\uaa80-\uaadf"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u1b00-\u1b59\u1b6b-\u1b7c\ua980-\ua9c0\ua9cf-\ua9d9"  # Balinese, Javanese
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Hangul: particles follow a word without a space
    "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b"  # marks of repetition, Han numerals
    "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Hiragana, Katakana
    "\u3105-\u312f\u31a0-\u31bf"  # Bopomofo
    "\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
LETTER = re.compile(f"[{LETTERS}]")
RUN = re.compile(f"[{LETTERS}]+")
SPLIT = re.compile(f"([{LETTERS}]+)")
# A letter alone is looked for in titles and tags. In a long text it says little, and costs as much as a bigram.
LETTERS_WITHIN = 200
# Of a longer text only the beginning is found within its runs: each letter is an entry of the index.
MOST_LETTERS = 1000
WORD = re.compile(r"\w+")


def has_runs(text: str) -> bool:
    """Tell whether some of a text is in a script without spaces."""
    return not text.isascii() and RUN.search(text) is not None


def letters_of(run: str) -> list[str]:
    """Return the letters of a run, each with the marks upon it."""
    if WORD.fullmatch(run):
        # No mark is a letter to `re`, so there is none.
        return list(run)
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


def runs_and_words(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the runs of a folded text, and the words beside them, in their order, and whether each is a run."""
    for number, part in enumerate(SPLIT.split(text)):
        if number % 2:
            yield part, True
        else:
            yield from ((word, False) for word in WORD.findall(part))


def words_of(text: str) -> list[str]:
    """Return the words of a text, folded: those with spaces around them, and the bigrams of what has none."""
    return [
        word for part, is_run in runs_and_words(fold(text)) for word in (bigrams(part) if is_run else [part])
    ]


def indexed(text: str) -> str | None:
    """Return what an index of words must hold of a text beside it, None where its own words are enough.

    Of each run its bigrams in their order, then, where the text is short, its letters; of the other words those that
    stand beside a run, or that folding changes otherwise than an index does by itself, which takes case and accents
    away.
    """
    if text.isascii():
        return None
    parts: dict[str, None] = {}
    letters: dict[str, None] = {}
    plain, room = set(WORD.findall(text.lower())), MOST_LETTERS
    for part, is_run in runs_and_words(fold(text)):
        if not is_run:
            parts |= {} if part in plain else {part: None}
            continue
        run, room = part[:room], max(0, room - len(part))
        parts[" ".join(bigrams(run))] = None
        letters |= dict.fromkeys(letters_of(run) if len(text) <= LETTERS_WITHIN else ())
    return " ".join(filter(None, [*parts, *(one for one in letters if one not in parts)])) or None


def index_words(value: Any) -> str | None:
    """Return what an index must hold beside a text, or beside all texts of a list."""
    texts = value if isinstance(value, list) else [value]
    found = [words for one in texts if isinstance(one, str) and (words := indexed(one))]
    return " ".join(found) or None


def word_fields(schema: Mapping[str, Any], searched: Iterable[str]) -> dict[str, str]:
    """Return of each searched field the name of the one beside it; codes are of letters that any index knows."""
    return {name: f"{name}_words" for name in searched if kind_of(schema[name]) not in CODES}
