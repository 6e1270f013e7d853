"""Positions as words: between any two there is room for another, so nothing is ever renumbered."""

import secrets
import time

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE = len(DIGITS)
# Words begin with a number of this many digits: milliseconds, enough until the year 8000.
HEAD = 8
# This many random digits keep words apart that are made for one place at the same moment.
TAIL = 3


def write_head(number: int) -> str:
    """Write a number as the head of a word."""
    digits = []
    for _ in range(HEAD):
        number, digit = divmod(number, BASE)
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))


def read_head(word: str) -> int:
    """Read the number at the head of a word."""
    number = 0
    for digit in word[:HEAD].ljust(HEAD, "0"):
        number = number * BASE + DIGITS.index(digit)
    return number


def tail() -> str:
    """Draw the end of a word; it does not end in a zero, so there is room before it."""
    return "".join(secrets.choice(DIGITS) for _ in range(TAIL - 1)) + secrets.choice(DIGITS[1:])


def after(last: str | None) -> str:
    """Return a word behind all others. It grows with time, so words stay short however many are appended."""
    fresh = int(time.time() * 1000)
    return write_head(max(fresh, read_head(last) + 1 if last else 0)) + tail()


def before(first: str) -> str:
    """Return a word in front of all others."""
    return write_head(max(1, read_head(first) - 1000)) + tail() if read_head(first) > 1 else within("", first)


def within(low: str, high: str) -> str:
    """Return a word between two that nobody else gets who asks for the same place now."""
    return between(low, high) + tail()


def between(low: str, high: str) -> str:
    """Return a word that sorts after `low` and before `high`; it never ends in a zero, so there is room before it."""
    if not low < high:
        raise ValueError("there is nothing between these")
    for place in range(len(high)):
        floor = DIGITS.index(low[place]) if place < len(low) else 0
        ceiling = DIGITS.index(high[place])
        if ceiling - floor > 1:
            return high[:place] + DIGITS[(floor + ceiling) // 2]
        if ceiling > floor:
            return high[:place] + DIGITS[floor] + above(low[place + 1 :])
    raise ValueError("there is nothing between these")


def above(low: str) -> str:
    """Return a word that sorts after `low`, whatever comes behind."""
    out = ""
    for digit in low:
        floor = DIGITS.index(digit)
        if floor < BASE - 1:
            return out + DIGITS[(floor + BASE) // 2]
        out += digit
    return out + DIGITS[BASE // 2]
