"""Structured logs: JSON for machines, text for people; one shape for our lines and those of libraries, no secrets.

Bodies, queries and local variables are never logged. What a library writes into a message of its own passes a
mask: tokens, keys, addresses of people, and passwords in URLs leave the process as `[hidden]`.
"""

import logging
import random
import re
import sys
from typing import Any, TextIO

import structlog

from settings import Settings

HIDDEN = "[hidden]"
# In this order: a JWT, our keys and tokens, whatever follows Bearer or Basic, what a URL has before its @, mail.
# Possessive (`++`) and begun where a run begins: clients write lines too, and no text may take more than one pass.
# An address may be of any letters, which JSON writes with a backslash; that of an escaped quote stays with its quote.
NAME, LABEL = r"(?:[\w.+%\x80-\U0010ffff-]|\\[^\"\s@])", r"(?:[\w\x80-\U0010ffff-]|\\u[0-9a-f]{4})"
SECRETS = re.compile(
    r"eyJ[\w-]{8,}+(?:\.[\w-]++(?:\.[\w-]*+)?)?"
    r"|\bmq[a-z]_[\w-]{16,}"
    r"|(?<=[Bb]earer )[^\s\"',]{8,}|(?<=[Bb]asic )[^\s\"',]{8,}"
    r"|(?<=://)[^\s/@\"':]*+:[^\s/@\"']*+(?=@)"
    rf"|(?<![\w.+%\x80-\U0010ffff\\-]){NAME}++@{LABEL}++\.(?:\.|{LABEL})+"
)
SIGNS = ("@", "eyJ", "mq", "earer ", "asic ")
# A field of this name is hidden whatever it holds.
SECRET_FIELDS = re.compile(r"password|passwd|secret|token|authorization|cookie|api_?key|credential", re.I)
# Libraries that log every step at INFO.
QUIET = {"cloudinary": logging.WARNING, "urllib3": logging.WARNING, "pymongo": logging.WARNING}


class Console(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at that moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The stream of this moment."""
        return sys.stderr


class Masked(structlog.stdlib.ProcessorFormatter):
    """Renders a line and hides what looks like a secret, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the finished line."""
        return mask(super().format(record))


def configure(settings: Settings) -> None:
    """Set up the logs of this process: structlog's and the standard library's alike."""
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_fields,
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level)),
        cache_logger_on_first_use=False,
    )
    console = Console()
    console.setFormatter(Masked(foreign_pre_chain=before, processors=shape(settings)))
    root = logging.getLogger()
    root.handlers = [*(one for one in root.handlers if not isinstance(one, Console)), console]
    root.setLevel(settings.log_level)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(max(level, root.level))


def shape(settings: Settings) -> list[structlog.typing.Processor]:
    """Return the steps that turn a line's facts into text."""
    remove: structlog.typing.Processor = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if settings.log_format == "json":
        return [remove, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    plain = structlog.dev.plain_traceback
    colors = sys.stderr.isatty()
    return [remove, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain, pad_event_to=0)]


def mask(line: str) -> str:
    """Hide everything in a line that looks like a secret or a person's address."""
    # Hardly any line holds one; looking for these first is a tenth of the work.
    return SECRETS.sub(HIDDEN, line) if any(sign in line for sign in SIGNS) else line


def hide_fields(logger: Any, method: str, facts: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Hide the values of fields whose name says that they are secret."""
    for name in facts:
        if SECRET_FIELDS.search(name) and facts[name]:
            facts[name] = HIDDEN
    return facts


class AccessLog:
    """One line per request: of all that failed, and of a share of the rest."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.log = structlog.get_logger("access")

    def wants(self, status: int) -> bool:
        """Tell whether a request with this status is logged."""
        return status >= 400 or (self.share > 0 and random.random() < self.share)

    def write(self, *, seconds: float, status: int, **facts: Any) -> None:
        """Log a request: `method`, `path`, `route`, `user`, `reason`; and how many milliseconds it took."""
        told = {name: value for name, value in facts.items() if value is not None}
        self.log.info("request", status=status, ms=round(seconds * 1000, 1), **told)
