"""The kinds of text that people type: of each its normal form, what it must not hold, and how it is compared.

A field says its kind by a word of `schemas/_fields.py`. Validators bring what is sent to its normal form
(`coerce`) and hold it against the kind (`check_with`); the OpenAPI document says it; `run.py db check` counts what
an older version took.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clients import addresses
from machine.text import languages
from machine.text.characters import (
    BREAKS,
    CONTROLS,
    OVERRIDES,
    SPACES,
    TURNS,
    has_invisible,
    is_balanced,
    shows_something,
)
from machine.text.folding import fold, fold_tag
from machine.text.languages import as_language, issues_of_language
from machine.text.names import issues_of_scripts

Issues = Iterator[str]
UNSEEN = "must show something: more than spaces, marks and invisible characters"


@dataclass(frozen=True)
class Kind:
    """What holds for the texts of a kind."""

    about: str
    normal: Callable[[str], str]
    # Yields a sentence for each thing that is wrong with a text in its normal form.
    issues: Callable[[str], Issues]
    fold: Callable[[str], str]
    # In the syntax of ECMA 262 with `u`: no more than what every such text satisfies.
    pattern: str = ""
    # Whether it names somebody, so that what the setting RESERVED_NAMES says is nobody's.
    names: bool = False


def composed(text: str) -> str:
    """Return a text in NFC, as most keyboards send it; macOS and some others send letters taken apart."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def as_line(text: str) -> str:
    """Return one line: composed, without spaces around it."""
    return composed(text).strip(SPACES)


def as_prose(text: str) -> str:
    """Return a text of several lines: composed, each line ended by a line feed; of spaces alone it is empty."""
    prose = BREAKS.sub("\n", composed(text))
    return prose if prose.strip(SPACES) else ""


def as_code(text: str) -> str:
    """Return a word for programs without what is around it: another form of its letters would be another word."""
    return addresses.trim(text) or text.strip(SPACES)


def issues_of_prose(text: str) -> Issues:
    """Yield what is wrong with a text of several lines.

    What joins letters or turns their direction may belong to words, and its effect ends with the paragraph (UAX #9):
    a line stands between other people's words, a text does not.
    """
    if CONTROLS.search(text):
        yield "must not hold control characters, such as NUL or escape"
    if text and not shows_something(text):
        yield UNSEEN


def issues_of_line(text: str) -> Issues:
    """Yield what is wrong with one line."""
    if "\n" in text or BREAKS.search(text):
        yield "must be one line, without line breaks"
    elif CONTROLS.search(text) or "\t" in text:
        yield "must be one line without control characters, such as NUL, escape or tab"
    if OVERRIDES.search(text) or not is_balanced(text):
        yield "must be one line that neither overrides the writing direction nor leaves a change of it open"
    if text and not shows_something(text):
        yield UNSEEN


def issues_of_code(text: str) -> Issues:
    """Yield what is wrong with a word for programs."""
    if has_invisible(text) or CONTROLS.search(text) or (text and not shows_something(text)):
        yield "must be one word without spaces, control characters or invisible characters"


def issues_of_name(text: str) -> Issues:
    """Yield what is wrong with a name that is shown: a line that leaves the direction of what is around it alone."""
    kept = TURNS.sub("", text)
    if kept != text:
        yield "must be one line without characters that change the writing direction"
    yield from issues_of_line(kept)
    yield from issues_of_scripts(kept)


def issues_of_handle(text: str) -> Issues:
    """Yield what is wrong with a name in URLs."""
    yield from issues_of_code(text)
    yield from issues_of_scripts(text)


def no_issues(text: str) -> Issues:
    """Yield nothing: whatever was typed is meant."""
    yield from ()


LINE = "One line of text that shows something, without control characters. Stored in NFC, without spaces around it."
LINE_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202d\u202e]*$"
# As of a line, and no change of direction at all.
NAME_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*$"
OF_SOMEBODY = (
    " A word for those who speak for this platform, such as admin, is reserved however it is written; in one word, "
    "letters of two alphabets must not look alike."
)
PROSE = (
    "Text of one or more lines, without control characters. Stored in NFC, its lines ended by a line feed."
)
PROSE_PATTERN = r"^[^\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f]*$"
CODE = "One word, without spaces or invisible characters."
ADDRESS = "An e-mail address, of any letters; its domain is kept in those that people read."
KINDS = {
    "line": Kind(LINE, as_line, issues_of_line, fold, LINE_PATTERN),
    "name": Kind(LINE + OF_SOMEBODY, as_line, issues_of_name, fold, NAME_PATTERN, names=True),
    "tag": Kind(
        LINE + " Words that differ in case, width or a # before them are one: the first is kept.",
        as_line, issues_of_line, fold_tag, LINE_PATTERN,
    ),
    "prose": Kind(PROSE, as_prose, issues_of_prose, fold, PROSE_PATTERN),
    "code": Kind(CODE, as_code, issues_of_code, fold),
    "handle": Kind(CODE + OF_SOMEBODY, as_code, issues_of_handle, fold, names=True),
    "address": Kind(ADDRESS, addresses.normal, addresses.issues, addresses.key),
    "language": Kind(languages.ABOUT, as_language, issues_of_language, as_language, f"^{languages.PATTERN}$"),
    "verbatim": Kind("", str, no_issues, fold),
}  # fmt: skip

# How a list of tags is brought to its normal form: each once.
DISTINCT = "distinct_tags"


def kind_of(rules: Mapping[str, Any]) -> str | None:
    """Return the kind of text that the rules of a field say, None where they say none."""
    return next(
        (word for word in (rules.get("check_with"),) if isinstance(word, str) and word in KINDS), None
    )


def people_type(rules: Mapping[str, Any]) -> bool:
    """Tell whether the rules are of a text that people make up: it is theirs to write, and none of some words."""
    return rules.get("type") == "string" and not rules.get("readonly") and "allowed" not in rules


def folding_of(rules: Mapping[str, Any]) -> Callable[[str], str]:
    """Return how texts of a field, or of a list, are compared."""
    inner = rules.get("schema")
    kind = kind_of(inner if rules.get("type") == "list" and isinstance(inner, Mapping) else rules)
    return KINDS[kind].fold if kind else fold
