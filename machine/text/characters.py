"""Characters that a text must not hold, that show nothing, and that turn the direction of what follows them."""

import re
import unicodedata

# Of what ends a line (UAX #14), all but the line feed.
BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# C0 without tab and line feed, DEL and C1; interlinear annotation; what Unicode says is no character.
NONCHARACTERS = "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
)
CONTROLS = re.compile(f"[\0-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufff9-\ufffb\ud800-\udfff{NONCHARACTERS}]")
# Spaces of any kind, and those without width that come with what is copied.
SPACES = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\ufeff"
# Letters and symbols that are drawn as nothing: the fillers of Hangul, and braille without a dot.
BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
INVISIBLE = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Me", "Mc"))
# UAX #9: embeddings and overrides are closed by PDF, isolates by PDI.
OVERRIDES = re.compile("[\u202d\u202e]")
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
CLOSED_BY = {
    **dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c"),
    **dict.fromkeys("\u2066\u2067\u2068", "\u2069"),
}


def shows_something(text: str) -> bool:
    """Tell whether any character is drawn: a letter, a digit, a sign, and not only marks that belong upon one."""
    return any(unicodedata.category(one) not in INVISIBLE and one not in BLANKS for one in text)


def is_balanced(text: str) -> bool:
    """Tell whether every control of the direction is closed, so that it ends where the text does."""
    awaited: list[str] = []
    for turn in TURNS.findall(text):
        if turn in CLOSED_BY:
            awaited.append(CLOSED_BY[turn])
        elif not awaited or awaited.pop() != turn:
            return False
    return not awaited


def has_invisible(text: str) -> bool:
    """Tell whether some character shows nothing: a space, a control, a mark of format."""
    return any(unicodedata.category(one) in ("Zs", "Zl", "Zp", "Cc", "Cf") or one in BLANKS for one in text)
