"""`run.py db`: prepares the database."""

from pathlib import Path

import click

from commands._context import data_dir_option, open_services


@click.group()
def cli() -> None:
    """Prepare the database."""


@cli.command()
@data_dir_option
def migrate(data_dir: Path | None) -> None:
    """Build the indexes that are declared and missing. Safe to run again, and while the API serves."""
    from policy.indexes import build_indexes
    from policy.registry import Registry
    from policy.store import Store

    with open_services(data_dir) as services:
        built = build_indexes(Store(services, Registry.load()))
        click.echo(f"built {len(built)} indexes" if built else "nothing to do")
