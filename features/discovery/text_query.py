"""What is typed into a search, as MongoDB's text index is asked for it: words, "phrases", and -what to leave out."""

import re

from machine.text.folding import fold
from machine.text.segments import bigrams, has_runs, runs_and_words

# A phrase with its minus, else a word; a quote that is not closed begins no phrase.
TERM = re.compile(r'(-?)"([^"]*)"|([^\s"]+)')


def as_text_query(typed: str) -> str:
    """Return the same search in the words of the index, by which a run of a script without spaces is its bigrams."""
    if typed.isascii():
        return typed
    return " ".join(part for found in TERM.finditer(typed) for part in terms(*found.groups()))


def terms(minus: str, phrase: str | None, word: str | None) -> list[str]:
    """Return the terms that one term becomes.

    A run of one or two letters is a word of the index; a longer one must be there as it is written, so it is the
    phrase of its bigrams, which stand beside each other in the index as in the text.
    """
    if word is not None:
        minus = "-" if word.startswith("-") else ""
        return [f"{minus}{one}" for one in words(word.lstrip("-"))]
    if not has_runs(phrase or ""):
        return [f'{minus}"{phrase}"']
    parts = runs_and_words(fold(phrase or ""))
    return [f'{minus}"{" ".join(bigrams(one) if is_run else [one])}"' for one, is_run in parts]


def words(word: str) -> list[str]:
    """Return the words and phrases that a word without spaces becomes."""
    found = []
    for one, is_run in runs_and_words(fold(word)):
        pairs = bigrams(one) if is_run else [one]
        found.append(pairs[0] if len(pairs) == 1 else f'"{" ".join(pairs)}"')
    return found
