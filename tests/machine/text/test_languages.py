"""Tags of languages: every way to write one is folded to that of BCP 47; what is none is told the form."""

import pytest

from machine.text.languages import as_language, issues_of_language

# The examples of RFC 5646, appendix A and section 2.1.1, and what programs send.
FOLDED = {
    "en": "en", "EN": "en", "en_US": "en-US", "en-us": "en-US", "zh-hant": "zh-Hant", "ZH_HANT_TW": "zh-Hant-TW",
    "mn-cYRL-mn": "mn-Cyrl-MN", "es-419": "es-419", "sl-ROZAJ-biske": "sl-rozaj-biske", "de-ch-1901": "de-CH-1901",
    "zh-CMN-hans-cn": "zh-cmn-Hans-CN", "en-CA-x-ca": "en-CA-x-ca", "sgn-be-fr": None, "haw": "haw",
    "de-DE-u-CO-phonebk": "de-DE-u-co-phonebk", "az-Latn-x-LATN": "az-Latn-x-latn", " fr ": "fr", "iw": "he",
    "in-id": "id-ID", "hy-Latn-IT-arevela": "hy-Latn-IT-arevela", "en-a-myext-b-another": "en-a-myext-b-another",
}  # fmt: skip
REFUSED = ["e", "english", "en-", "-en", "en--us", "en us", "12", "en-a", "en-x", "de-419-DE", "a-DE", "ar-a-",
           "日本", "en-US.UTF-8", "en@euro", "e\u0301n", "en-" + "a" * 9, "en-x-" + "abcdefgh-" * 5 + "a",
           "\u0435n"]  # fmt: skip


@pytest.mark.parametrize(("sent", "kept"), [pair for pair in FOLDED.items() if pair[1]])
def test_tags_are_written_as_the_standard_does(sent, kept):
    assert as_language(sent) == kept
    assert as_language(kept) == kept and not list(issues_of_language(kept))


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_tag_is_told_the_form(text):
    assert list(issues_of_language(as_language(text))) == [
        "must be a language tag by BCP 47, such as en, pt-BR or zh-Hant"
    ]
