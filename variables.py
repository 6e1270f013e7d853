"""How a variable of the environment is read: where secrets come from, and what a text may say."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit


def read_variable(environ: Mapping[str, str], name: str, secret: bool) -> str | None:
    """Read NAME, or for a secret the file that NAME_FILE points to; None if neither is set."""
    if secret and environ.get(name + "_FILE"):
        return Path(environ[name + "_FILE"]).read_text().strip()
    return environ.get(name)


def parse_bool(text: str) -> bool:
    """Read on/off, true/false, yes/no, 1/0."""
    word = text.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise ValueError("expected on or off")


def parse_count(text: str) -> int:
    """Read a whole number of zero or more."""
    number = int(text)
    if number < 0:
        raise ValueError("expected zero or more")
    return number


def parse_seconds(text: str) -> float:
    """Read a duration in seconds, above zero."""
    number = float(text)
    if not 0 < number < 10**10:
        raise ValueError("expected a number of seconds above zero")
    return number


def parse_share(text: str) -> float:
    """Read a share, from 0 to 1."""
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError("expected a number from 0 to 1")
    return share


def parse_words(text: str) -> tuple[str, ...]:
    """Read a comma-separated list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def parse_url(*schemes: str) -> Callable[[str], str]:
    """Make a reader of URLs with one of these schemes."""

    def parse(text: str) -> str:
        if urlsplit(text).scheme not in schemes or not urlsplit(text).netloc:
            raise ValueError(f"expected a URL that begins with {' or '.join(s + '://' for s in schemes)}")
        return text.rstrip("/")

    return parse


def parse_folder(text: str) -> str:
    """Read the path of a folder at Cloudinary: no sign in it that stands for others in a token's access list."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", text):
        raise ValueError("expected letters, digits and . - _, with slashes between")
    return text


def parse_choice(*allowed: str) -> Callable[[str], str]:
    """Make a reader of one word out of these."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return text

    return parse
