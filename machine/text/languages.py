"""Tags of languages by BCP 47 (RFC 5646): folded to the one way in which the standard writes them, then checked."""

import re
from collections.abc import Iterator

# Section 2.1, without tags that are kept for old times' sake alone, and with the underscore of POSIX and Java.
PATTERN = (
    "[A-Za-z]{2,3}([-_][A-Za-z]{3}){0,3}([-_][A-Za-z]{4})?([-_]([A-Za-z]{2}|[0-9]{3}))?"
    "([-_]([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
    "([-_][0-9A-WYZa-wyz]([-_][A-Za-z0-9]{2,8})+)*([-_][Xx]([-_][A-Za-z0-9]{1,8})+)?"
)
LONGEST = 35
TAG = re.compile(PATTERN)
# Codes that the registry has given up, with their preferred values.
PREFERRED = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro", "sh": "sr-Latn", "tl": "fil"}
ABOUT = "A tag of a language by BCP 47, such as `en`, `pt-BR` or `zh-Hant`. Stored as the standard writes it."
FORM = "must be a language tag by BCP 47, such as en, pt-BR or zh-Hant"


def as_language(text: str) -> str:
    """Return a tag as the standard writes it (section 2.1.1): zh-Hant-TW of ZH_hant_tw; else the text, trimmed."""
    text = text.strip()
    if not is_tag(text):
        return text
    first, *others = re.split("[-_]", text.lower())
    parts, single = [PREFERRED.get(first, first)], False
    for part in others:
        parts.append(part if single else cased(part))
        single = single or len(part) == 1
    return "-".join(parts)


def is_tag(text: str) -> bool:
    """Tell whether a text is a tag, in whatever case and with whichever dash."""
    return len(text) <= LONGEST and TAG.fullmatch(text) is not None


def cased(part: str) -> str:
    """Return a part of a tag in its case: regions in capitals, scripts with one, all else small."""
    if len(part) == 2:
        return part.upper()
    return part.title() if len(part) == 4 and part.isalpha() else part


def issues_of_language(text: str) -> Iterator[str]:
    """Yield what is wrong with a tag."""
    if text and not is_tag(text):
        yield FORM
