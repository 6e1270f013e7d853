"""Bring the whole platform up in the foreground."""

import os
import sys
from pathlib import Path

import click

from commands._context import DEFAULT_DATA_DIR
from dev.console import Console
from dev.parts import PARTS
from dev.stack import Stack
from dev.supervisor import Supervisor

# One process a core; each takes some 80 MB, and two let a slow job pass on a single core too.
ONE_A_CORE = min(max(os.cpu_count() or 2, 2), 8)


def read_parts(context: click.Context, option: click.Parameter, text: str | None) -> list[str]:
    """Read a list of part names; all parts when none is given."""
    names = [word.strip() for word in text.split(",")] if text else list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        raise click.BadParameter(f"unknown part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    return names


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the API.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DATA_DIR,
    help="Folder for all data, logs and secrets of this copy.  [default: .data]",
)
@click.option("--demo/--no-demo", default=True, help="Fill a small demo at the first start.")
@click.option("--api-workers", default=ONE_A_CORE, show_default=True, type=click.IntRange(1, 64))
@click.option("--job-workers", default=ONE_A_CORE, show_default=True, type=click.IntRange(1, 64))
@click.option("--parts", callback=read_parts, help="Start these only, comma-separated: " + ", ".join(PARTS))
def cli(
    host: str,
    port: int,
    data_dir: Path,
    demo: bool,
    api_workers: int,
    job_workers: int,
    parts: list[str],
) -> None:
    """Bring up MongoDB, Valkey, the local Cloudinary, the API, a worker and the schedule.

    A part that the environment names (MONGO_URI, REDIS_URL, CLOUDINARY_URL) is used, not started.
    Ctrl-C ends everything; the data stays.

    \b
    Examples:
      python run.py up
      python run.py up --port 8001 --data-dir second --no-demo
    """
    stack = Stack(
        data_dir,
        parts,
        host=host,
        port=port,
        api_workers=api_workers,
        job_workers=job_workers,
        environ=os.environ,
    )
    sys.exit(Supervisor(stack, Console(), demo).run())
