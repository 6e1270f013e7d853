"""Letters that look like others: what each is read as in the letters and digits of ASCII, and of which script it is.

The table is from confusables.txt of Unicode 15.1 (UTS #39, security mechanisms): the letters of one code point whose
look-alike there is made of ASCII letters and digits, or is a small capital of Latin. What NFKC makes ASCII (full width,
mathematical) and what the names of Unicode say to be a Latin letter (with a stroke, a small capital, one in a square)
is not in it. A test holds it to that form.
"""

import re
import unicodedata
from functools import lru_cache

# {what is read: the letters that are read so}.
READ_AS = {
    "2": "\u01a7\u03e8\u14bf\ua644\ua75a",
    "3": "\u01b7\u021c\u0417\u04e0\u2ccc\ua76a\ua7ab\U000118ca\U00016f3b",
    "4": "\u13ce\U000118af",
    "5": "\u01bc\U000118bb",
    "6": "\u0431\u13ee\u2cd2\U000118d5",
    "7": "\U000104d2\U000118c6",
    "8": "\u0222\u0223\U0001031a",
    "9": "\u2cca\ua76e\U000118ac\U000118cc\U000118d6",
    "A": "\u0391\u0410\u13aa\u15c5\ua4ee\U000102a0\U00016f40",
    "AA": "\ua732",
    "AE": "\u00c6\u04d4",
    "AO": "\ua734",
    "AU": "\ua736",
    "AV": "\ua738\ua73a",
    "AY": "\ua73c",
    "B": "\u0392\u0412\u13f4\u15f7\ua4d0\ua7b4\U00010282\U000102a1\U00010301",
    "C": "\u0421\u13df\u2ca4\ua4da\U000102a2\U00010302\U00010415\U0001051c",
    "D": "\u13a0\u15de\u15ea\ua4d3",
    "E": "\u0395\u0415\u13ac\u2d39\ua4f0\U00010286\U000118a6\U000118ae",
    "F": "\u03dc\u15b4\ua4dd\U00010287\U000102a5\U00010525\U000118a2\U000118c2",
    "G": "\u050c\u13c0\u13f3\ua4d6",
    "H": "\u0397\u041d\u13bb\u157c\u2c8e\ua4e7\U000102cf",
    "J": "\u037f\u0408\u13ab\u148d\ua4d9",
    "K": "\u039a\u041a\u13e6\u16d5\u2c94\ua4d7\U00010518",
    "L": "\u13de\u14aa\u2cd0\ua4e1\U0001041b\U00010526\U000118a3\U000118b2\U00016f16",
    "M": "\u039c\u03fa\u041c\u13b7\u15f0\u16d6\u2c98\ua4df\U000102b0\U00010311",
    "N": "\u039d\u2c9a\ua4e0\U00010513",
    "O": "\u039f\u041e\u0555\u0b20\u12d0\u2c9e\u2d54\ua4f3\U00010292\U000102ab\U00010404\U000104c2"
    "\U00010516\U000118b5",
    "OE": "\u0152",
    "OO": "\ua698\ua74e",
    "P": "\u03a1\u0420\u13e2\u146d\u2ca2\ua4d1\U00010295",
    "Q": "\u2d55",
    "R": "\u01a6\u13a1\u13d2\u1587\ua4e3\U000104b4\U00016f35",
    "S": "\u0405\u054f\u13d5\u13da\ua4e2\U00010296\U00010420\U00016f3a",
    "T": "\u03a4\u0422\u13a2\u2ca6\ua4d4\U00010297\U000102b1\U00010315\U000118bc\U00016f0a",
    "T3": "\ua728",
    "U": "\u054d\u1200\u144c\ua4f4\U000104ce\U000118b8\U00016f42",
    "V": "\u0474\u13d9\u142f\u2d38\ua4e6\ua6df\U0001051d\U000118a0\U00016f08",
    "W": "\u051c\u13b3\u13d4\ua4ea",
    "X": "\u03a7\u0425\u16b7\u2cac\u2d5d\ua4eb\ua7b3\U00010290\U000102b4\U00010317\U00010527",
    "Y": "\u03a5\u0423\u04ae\u13a9\u13bd\u2ca8\ua4ec\U000102b2\U000118a4\U00016f43",
    "Z": "\u0396\u13c3\ua4dc\U000118a9",
    "a": "\u0251\u03b1\u0430\uab7a",
    "aa": "\ua733",
    "ae": "\u00e6\u04d5",
    "ao": "\ua735",
    "au": "\ua737",
    "av": "\ua739\ua73b",
    "ay": "\ua73d",
    "b": "\u0184\u042c\u0432\u13cf\u13fc\u1472\u15af",
    "bl": "\u042b",
    "c": "\u0441\u2ca5\uabaf\U0001043d",
    "d": "\u0501\u13e7\u146f\ua4d2\uab70",
    "dz": "\u02a3",
    "e": "\u0435\u04bd\uab32\uab7c",
    "f": "\u0584\u1e9d\uab35",
    "g": "\u018d\u0261\u050d\u0581\u13fb\uab90",
    "h": "\u043d\u04bb\u0570\u13c2\uab8b",
    "i": "\u0131\u0269\u03b9\u0456\u04cf\u13a5\ua647\uab75\U000118c3",
    "j": "\u03f3\u0458\uab7b",
    "k": "\u0138",
    "l": "\u0196\u01c0\u0399\u0406\u04c0\u05d5\u05df\u0627\u07ca\u16c1\u2c92\u2cd1\u2d4f\ua4f2\uabae"
    "\U0001028a\U00010309\U00010443\U00016f28",
    "lO": "\u042e",
    "ll": "\u01c1\u05f0",
    "ls": "\u02aa",
    "lz": "\u02ab",
    "m": "\u028d",
    "n": "\u0578\u057c",
    "o": "\u03bf\u03c3\u043e\u0585\u05e1\u0647\u06be\u06c1\u06d5\u0d20\u101d\u10ff\u1d11\u2c9f\uab3d"
    "\U0001042c\U000104ea\U000118c8\U000118d7",
    "oe": "\u0153",
    "oo": "\ua699\ua74f",
    "p": "\u03c1\u0440\u1d29\u2ca3\uabb2",
    "q": "\u051b\u0563\u0566",
    "r": "\u0433\u1d26\u2c85\uab47\uab48\uab71\uab81\uaba2",
    "rn": "\U00011700",
    "s": "\u01bd\u0455\uabaa\U00010448\U000118c1",
    "t": "\u03c4\u0442\uab72",
    "tf": "\ua777",
    "ts": "\u02a6",
    "u": "\u03c5\u057d\ua79f\U000104f6\U000118d8",
    "ue": "\u1d6b",
    "uo": "\uab63",
    "v": "\u03bd\u0475\u05d8\uaba9\U00011706\U000118c0",
    "w": "\u026f\u0461\u051d\u0561\uab83\U0001170a\U0001170e\U0001170f",
    "x": "\u0445\u1541\u157d",
    "y": "\u0263\u03b3\u0443\u04af\u10e7\U000118dc",
    "z": "\uab93\U000118c4",
}
TABLE = {one: seen for seen, letters in READ_AS.items() for one in letters}
LATIN = re.compile(
    "(?:(?:NEGATIVE )?(?:CIRCLED |SQUARED )?LATIN (CAPITAL )?(?:SMALL )?LETTER (?:SMALL CAPITAL )?"
    "|REGIONAL INDICATOR SYMBOL LETTER )([A-Z])(?: WITH .+)?"
)
# How names of letters begin that belong to no script, or to one that another word says.
BESIDE = {"CJK": "HAN", "IDEOGRAPHIC": "HAN", "HENTAIGANA": "HIRAGANA"}
NO_SCRIPT = frozenset(("MODIFIER", "MICRO", "FEMININE", "MASCULINE", "MATHEMATICAL", "DOUBLE-STRUCK", "SCRIPT", "VEDIC",
                       "BLACK-LETTER", "VERTICAL", "KATAKANA-HIRAGANA", "HALFWIDTH", "FULLWIDTH"))  # fmt: skip


@lru_cache(4096)
def read_as(letter: str) -> str:
    """Return the ASCII letters or digits that a letter is read as, without its marks; itself where there are none."""
    if letter.isascii() or letter in TABLE:
        return TABLE.get(letter, letter)
    found = LATIN.fullmatch(unicodedata.name(letter, ""))
    if not found:
        return letter
    return found[2] if found[1] else found[2].lower()


@lru_cache(4096)
def script_of(letter: str) -> str:
    """Return the script of a letter as its name begins (`LATIN`); empty for what is none, or belongs to any."""
    if not unicodedata.category(letter).startswith("L"):
        return ""
    name = unicodedata.name(letter, "")
    if name.startswith(("HALFWIDTH", "FULLWIDTH")):
        return script_of(unicodedata.normalize("NFKC", letter)[0])
    first = name.partition(" ")[0]
    return "" if first in NO_SCRIPT else BESIDE.get(first, first)
