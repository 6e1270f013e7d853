"""E-mail addresses: how one is written, sent and compared (RFC 5321; 6531 and IDNA 2008 for those beyond ASCII).

The domain is read by UTS 46 and kept in the letters that people read; the part before the @ is its host's to read, and
stays as sent, composed (NFC). Two addresses are one if their `key` is.
"""

import re
import unicodedata
from collections.abc import Iterator

import idna

# What a keyboard, a table or a text from the right to the left leaves around an address.
AROUND = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\u200e\u200f\u2060\ufeff" + "".join(
    map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)  # fmt: skip
# RFC 5321, 4.5.3.1: octets as they are sent.
LONGEST, LONGEST_LOCAL, LONGEST_DOMAIN = 254, 64, 253
# Composing takes time that grows with the square of a run of accents: nothing that long becomes an address.
HOPELESS = 1024
# Before the @, dots stand wherever they do: some providers gave such names. What is not in ASCII may be any letter or
# sign (RFC 6531, 3.3), but neither a space nor a control, nor what is invisible or no character.
QUOTING = frozenset('"()<>[],;:\\')
FORBIDDEN = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"))
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LIKE = "such as name@example.org"


class NoDomain(Exception):
    """A text is no domain of the Internet."""


def trim(text: str) -> str:
    """Return a text without the spaces and invisible characters around it."""
    return text.strip(AROUND)


def normal(text: str) -> str:
    """Return an address as it is kept and shown; what is none comes back trimmed."""
    local, domain = split(text)
    try:
        return f"{local}@{readable(domain)}"
    except NoDomain:
        return trim(text)


def wire(text: str) -> str:
    """Return an address as it is sent, its domain in ASCII; ValueError where it is none."""
    local, domain = split(text)
    try:
        return f"{local}@{in_ascii(domain)}"
    except NoDomain as error:
        raise ValueError("no e-mail address") from error


def key(text: str) -> str:
    """Return the one form in which addresses are compared, also of what is none.

    Lower case, not case folding, which would make `straße@` and `strasse@` one, two mailboxes at most hosts.
    """
    local, domain = split(text)
    try:
        return f"{lower(local)}@{in_ascii(domain)}"
    except NoDomain:
        return lower(trim(text))


def beyond_ascii(text: str) -> bool:
    """Tell whether only a server with SMTPUTF8 can take the address: a domain can always be written in ASCII."""
    return not split(text)[0].isascii()


def issues(text: str) -> Iterator[str]:
    """Yield what is wrong with an address, in a sentence that says the form."""
    local, domain = split(text)
    if QUOTING & set(local):
        yield f"must be an e-mail address alone, without quotes, brackets or a name in front, {LIKE}"
    elif any(unicodedata.category(one) in FORBIDDEN for one in local):
        yield f"must be one e-mail address without spaces, control or invisible characters, {LIKE}"
    elif not local or not domain or "@" in local:
        yield f"must be an e-mail address: a name, one @ and a domain, {LIKE}"
    else:
        yield from issues_of_domain(local, domain)


def issues_of_domain(local: str, domain: str) -> Iterator[str]:
    """Yield what is wrong with the domain of an address, and with its length."""
    try:
        sent = f"{local}@{in_ascii(domain)}".encode()
    except NoDomain:
        yield "must have a domain behind the @ as it is registered, such as example.org or münchen.example"
        return
    if len(sent) > LONGEST or len(local.encode()) > LONGEST_LOCAL:
        yield f"must have at most {LONGEST_LOCAL} bytes before the @, and {LONGEST} in all"


def split(text: str) -> tuple[str, str]:
    """Return what stands before and behind the last @, trimmed and composed."""
    bare = trim(text)
    local, _, domain = (unicodedata.normalize("NFC", bare) if len(bare) <= HOPELESS else bare).rpartition("@")
    return local, domain


def lower(text: str) -> str:
    """Return a text in lower case, composed again."""
    return unicodedata.normalize("NFC", text.lower()) if len(text) <= HOPELESS else text


def in_ascii(domain: str) -> str:
    """Return a domain as it is sent and compared; NoDomain where it is none."""
    if len(domain) > LONGEST_DOMAIN:
        raise NoDomain
    name = domain.lower()
    if not name.isascii():
        try:
            # Not the transitional way: ß is a letter of its own (UTS 46, 4).
            name = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as error:
            raise NoDomain from error
    labels = name.split(".")
    wrong = not all(map(LABEL.fullmatch, labels))
    # Neither a host without a domain nor the number of one.
    if wrong or len(labels) < 2 or labels[-1].isdigit() or len(name) > LONGEST_DOMAIN:
        raise NoDomain
    return ".".join(map(canonical, labels))


def canonical(label: str) -> str:
    """Return a label as the letters it stands for would be encoded: `xn--` can hold them in upper case, too."""
    try:
        return idna.encode(idna.decode(label), uts46=True).decode() if label.startswith("xn--") else label
    except idna.IDNAError:
        # Registries had looser rules once: it leads somewhere, and is shown as it is.
        return label


def readable(domain: str) -> str:
    """Return a domain in the letters that people read; NoDomain where it is none."""
    return ".".join(map(letters, in_ascii(domain).split(".")))


def letters(label: str) -> str:
    """Return what a label stands for; one that stands for nothing valid is shown as it is sent."""
    try:
        return idna.decode(label) if label.startswith("xn--") else label
    except idna.IDNAError:
        return label
