"""One function folds words, over all of Unicode; nothing else in the source does."""

import sys
import unicodedata
from pathlib import Path

import pytest

from machine.text.folding import IGNORED, fold, fold_tag

ROOT = Path(__file__).resolve().parents[3]
# Addresses are compared by their own rule (the kind `address`), a password with the names it must not be, and names
# by what they look like.
ANOTHER_RULE = {
    "clients/mail.py",
    "commands/mail.py",
    "features/identity/accounts.py",
    "features/identity/letters.py",
    "features/identity/one_time_tokens.py",
    "features/identity/passwords.py",
    "machine/access/limiter.py",
    "machine/text/folding.py",
    "machine/text/kinds.py",
    "machine/text/names.py",
}
SAME = [
    ("Music", "MUSIC", "music ", "ＭＵＳＩＣ", "mu\u200bsic", "mu\u00adsic"),
    ("caf\xe9", "CAF\xc9", "cafe\u0301", "CAFE\u0301"),
    ("\u0130stanbul", "istanbul", "ISTANBUL", "\u0131stanbul", "I\u0307STANBUL"),
    ("stra\xdfe", "STRASSE", "STRA\u1e9eE"),
    ("\u03c3\u03bf\u03c6\u03cc\u03c2", "\u03a3\u039f\u03a6\u038c\u03a3"),
    ("\ufb01n", "FIN"),
    ("\uff76\uff9e\uff77", "\u30ac\u30ad"),
    ("a \u3000 b", "a b"),
    ("\u1112\u1161\u11ab", "\ud55c"),
    ("\U0001f44d\ufe0f", "\U0001f44d"),
]


@pytest.mark.parametrize("words", SAME, ids=[words[0] for words in SAME])
def test_words_that_differ_in_form_alone_are_one(words):
    assert {fold(word) for word in words} == {fold(words[0])}


def test_folding_is_done_once_and_does_not_depend_on_case_or_form():
    """Over every character, alone and within a word."""
    wrong = []
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        if unicodedata.category(letter) in ("Cs", "Cn", "Co"):
            continue
        folded = fold(f"a{letter}b")
        forms = (folded, f"a{letter}b".upper(), unicodedata.normalize("NFD", f"a{letter}b"))
        if any(fold(form) != folded for form in forms):
            wrong.append(f"{code:04x}")
    assert wrong == []


def test_words_that_differ_stay_apart():
    words = ["ano", "a\xf1o", "for", "f\xf6r", "\u304b", "\u304c", "1", "l", "hip hop", "hiphop"]
    assert len({fold(word) for word in words}) == len(words)


def test_a_tag_is_compared_without_its_hash():
    assert {fold_tag(one) for one in ("#Rock", "rock", " ##ROCK", "# rock")} == {"rock"}
    assert fold_tag("#") == "#" and fold_tag("C#") == "c#"


def test_what_is_ignored_is_what_shows_nothing():
    assert all(not IGNORED.search(chr(code)) for code in range(0x20, 0x7F))


def test_nothing_else_folds():
    found = {
        path.relative_to(ROOT).as_posix()
        for floor in ("machine", "features", "hooks", "commands", "clients", "tasks", "schemas")
        for path in (ROOT / floor).rglob("*.py")
        if "casefold" in path.read_text()
    }
    assert found <= ANOTHER_RULE
