"""Runs of scripts without spaces become bigrams, in the index and in what is asked of it alike."""

import unicodedata

import pytest

from features.discovery.text_query import as_text_query
from machine.text.segments import MOST_LETTERS, RUN, bigrams, indexed, letters_of, words_of

TOWER = "\u6771\u4eac\u30bf\u30ef\u30fc"
LANGUAGES = {
    "Japanese": TOWER,
    "Chinese": "\u4f60\u597d\u4e16\u754c",
    "Korean": "\uc11c\uc6b8\uc740",
    "Thai": "\u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e",
    "Lao": "\u0e99\u0eb0\u0e84\u0ead\u0e99",
    "Khmer": "\u1797\u17d2\u1793\u17c6\u1796\u17c1\u1789",
    "Burmese": "\u101b\u1014\u103a\u1000\u102f\u1014\u103a",
    "Tibetan": "\u0f63\u0fb7\u0f0b\u0f66",
}


def test_a_run_is_its_bigrams_then_its_letters():
    assert indexed(f"{TOWER} 2026") == (
        "\u6771\u4eac \u4eac\u30bf \u30bf\u30ef \u30ef\u30fc \u6771 \u4eac \u30bf \u30ef \u30fc"
    )
    assert indexed("A day out") is None and indexed("Caf\xe9") is None
    assert indexed("Stra\xdfe \u0130stanbul") == "strasse istanbul"


def test_of_a_long_text_the_beginning_is_found():
    run = "".join(chr(0x4E00 + n) for n in range(MOST_LETTERS + 500))
    assert len(indexed(run).split()) == MOST_LETTERS - 1
    assert len(indexed(" ".join(run)).split()) == MOST_LETTERS


@pytest.mark.parametrize("text", LANGUAGES.values(), ids=LANGUAGES)
def test_marks_stay_upon_their_letter_and_every_part_is_found(text):
    """Whatever part of a text of two letters or more is asked for, the index holds it, in one piece."""
    run = RUN.search(unicodedata.normalize("NFKC", text)).group()
    letters, beside = letters_of(run), f" {indexed(text)} "
    assert "".join(letters) == run
    assert all(unicodedata.category(one[0]) not in ("Mn", "Me") for one in letters)
    for begin in range(len(letters)):
        for end in range(begin + 2, len(letters) + 1):
            asked = as_text_query("".join(letters[begin:end]))
            assert f" {asked.strip(chr(34))} " in beside, (begin, end)


@pytest.mark.parametrize(("typed", "asked"), [
    ("plain words -not \"a phrase\"", "plain words -not \"a phrase\""),
    ("\u6771\u4eac", "\u6771\u4eac"),
    ("\u732b", "\u732b"),
    ("\u6771\u4eac\u30bf", '"\u6771\u4eac \u4eac\u30bf"'),
    ("-\u6771\u4eac\u30bf", '-"\u6771\u4eac \u4eac\u30bf"'),
    ('"\u6771\u4eac 2026"', '"\u6771\u4eac" "2026"'),
    ('-"\u6771\u4eac\u30bf" x', '-"\u6771\u4eac \u4eac\u30bf" x'),
    ("\u6771\u4eac2026\u5e74", "\u6771\u4eac 2026 \u5e74"),
    ('"\u0130stanbul gezisi', "istanbul gezisi"),
    ("\u3001\u3002", ""),
])  # fmt: skip
def test_what_is_typed_is_asked_in_the_words_of_the_index(typed, asked):
    assert as_text_query(typed) == asked


def test_words_of_a_text_are_counted_as_they_are_asked_for():
    assert words_of(f"Big {TOWER[:3]}2") == ["big", "\u6771\u4eac", "\u4eac\u30bf", "2"]
    assert bigrams("\u732b") == ["\u732b"]
