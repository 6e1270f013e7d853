"""The clock: what the time is, in UTC, asked for in one place."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def second() -> datetime:
    """Return the present second: documents hold their times as precisely as HTTP's dates do."""
    return now().replace(microsecond=0)
