"""Dates as they come over the wire: RFC 3339, read whole and by one grammar, wherever one is read."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

# Said wherever a date is refused, so that the next attempt succeeds.
FORM = "must be a date and time by RFC 3339, such as 2026-12-24T18:00:00Z or 2026-12-24T23:30:00.000+05:30"
# Section 5.6, with the space that its note allows. Plain digits: `\d` would take those of every script.
DATE = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
PATTERN = rf"{DATE}[Tt ]([0-9]{{2}}):([0-9]{{2}}):([0-9]{{2}})(?:\.([0-9]+))?([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})"
MOMENT = re.compile(PATTERN)
DAY = re.compile(DATE)
LOCAL = re.compile(PATTERN.removesuffix(r"([Zz]|[+-][0-9]{2}:[0-9]{2})"))
# What a `+` becomes in a query string that leaves it as it is.
SPACED = re.compile(r".*[0-9] [0-9]{2}:[0-9]{2}", re.DOTALL)


def read_moment(value: Any) -> datetime:
    """Return the moment, in UTC and to the microsecond, that a text of RFC 3339 names; ValueError says why not.

    A leap second is the second after it, as POSIX counts; one where there can be none is refused.
    """
    found = MOMENT.fullmatch(value) if isinstance(value, str) and len(value) <= 100 else None
    if found is None:
        raise ValueError(FORM + hint(value))
    *numbers, fraction, offset = found.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    leap = second == 60
    micro = int((fraction or "0").ljust(6, "0")[:6])
    try:
        zone = read_offset(offset)
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, micro, zone).astimezone(UTC)
        if leap and not ends_month(moment):
            raise ValueError("a leap second can only end a month in UTC")
        return moment + timedelta(seconds=leap)
    except OverflowError as error:
        raise ValueError(f"{FORM} (the year must be 1 to 9999 in UTC)") from error
    except ValueError as error:
        raise ValueError(f"{FORM} ({error})") from error


def read_offset(text: str) -> timezone:
    """Return the zone of `Z` or `+05:30`."""
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:])
    if hours > 23 or minutes > 59:
        raise ValueError("the offset must be at most 23:59")
    away = timedelta(hours=hours, minutes=minutes)
    return timezone(-away if text[0] == "-" else away)


def ends_month(moment: datetime) -> bool:
    """Tell whether a moment in UTC is of the last second of a month."""
    return (moment + timedelta(seconds=1)).strftime("%d%H%M%S") == "01000000"


def hint(value: Any) -> str:
    """Return what most likely is wrong with a text that is no moment."""
    if not isinstance(value, str) or len(value) > 100:
        return ""
    if SPACED.fullmatch(value):
        return " (in a URL, write + as %2B)"
    return " (the offset from UTC is missing: end it with Z)" if LOCAL.fullmatch(value) else ""


def read_day(value: Any) -> date:
    """Return the day that a text such as 2026-01-31 names; ValueError otherwise."""
    found = DAY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a day by RFC 3339, such as 2026-01-31")
    try:
        return date(*map(int, found.groups()))
    except ValueError as error:
        raise ValueError(f"must be a day by RFC 3339, such as 2026-01-31 ({error})") from error


def read_bound(value: Any) -> datetime:
    """Return the moment that a search begins or ends with: a whole day stands for its first moment in UTC."""
    if not isinstance(value, str) or not DAY.fullmatch(value):
        return read_moment(value)
    day = read_day(value)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def to_second(value: Any) -> datetime | None:
    """Read what a document is to keep: cut to the second, which is as far as dates are rendered."""
    return read_moment(value).replace(microsecond=0) if value is not None else None


def complaint(value: Any) -> str:
    """Return why a value is no moment; empty if it is one."""
    try:
        read_moment(value)
    except ValueError as error:
        return str(error)
    return ""


def moment_or_same(value: Any) -> Any:
    """Return the moment that a value names, or the value as it is, for the check of its type to refuse."""
    return value if complaint(value) else to_second(value)
