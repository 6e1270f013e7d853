"""How a command finds the copy it talks to: `--data-dir`, or the environment, or the copy of `make run`."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from settings import Settings

if TYPE_CHECKING:
    from features.backend import Backend
    from machine.write.store import Store

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DATA_DIR = ROOT / ".data"


def data_dir_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--data-dir` to a command."""
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Data directory of the copy to talk to; by default what the environment names, else .data",
    )(function)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")(function)


def write_json(*facts: Mapping[str, Any]) -> None:
    """Print facts, one JSON object per line; dates in ISO 8601, ids as text."""
    for one in facts:
        click.echo(json.dumps(one, default=lambda value: getattr(value, "isoformat", value.__str__)()))


def load(data_dir: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of a running copy from its data directory, or of this environment."""
    environ = os.environ if environ is None else environ
    if data_dir is None and ("MONGO_URI" in environ or not (DEFAULT_DATA_DIR / "env").exists()):
        return Settings.from_env(environ)
    return Settings.from_env({**environ, **read_env(data_dir or DEFAULT_DATA_DIR)})


def read_env(data_dir: Path) -> dict[str, str]:
    """Read the variables that `up` saved; a sentence when it never ran there."""
    try:
        text = (data_dir / "env").read_text()
    except OSError as error:
        raise click.ClickException(
            f"{data_dir} is not the data directory of a copy that can be read ({error.strerror}): "
            "start one with `python run.py up --data-dir ...`."
        ) from error
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def log_to_stderr() -> None:
    """Let warnings alone be logged, apart from what a command prints."""
    import structlog

    if not structlog.is_configured():
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=lambda *names: structlog.PrintLogger(sys.stderr),
        )


@contextmanager
def open_services(data_dir: Path | None = None) -> Iterator["Backend"]:
    """Yield the Backend of a copy; MongoDB or Redis out of reach is one sentence and exit status 1."""
    from pymongo.errors import ConnectionFailure
    from redis.exceptions import ConnectionError as RedisConnectionError

    from features.backend import Backend

    log_to_stderr()
    services = Backend(load(data_dir))
    try:
        yield services
    except (ConnectionFailure, RedisConnectionError) as error:
        part = "MongoDB" if isinstance(error, ConnectionFailure) else "Redis"
        raise click.ClickException(
            f"{part} cannot be reached: is the copy running? Start it with `python run.py up`."
        ) from error
    finally:
        services.close()


@contextmanager
def open_store(data_dir: Path | None = None) -> Iterator["Store"]:
    """Yield the Store of a copy, for commands that write resources."""
    from machine.declare.registry import Registry
    from machine.write.store import Store

    with open_services(data_dir) as services:
        yield Store(services, Registry.load())
