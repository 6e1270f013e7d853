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
    """Build the indexes that are missing or have changed, and fill what older documents lack.

    Safe to run again, and while the API serves.
    """
    from policy.indexes import build_indexes, undeclared_indexes
    from policy.registry import Registry
    from policy.store import Store
    from tasks.upgrade import upgrade_documents

    with open_services(data_dir) as services:
        store = Store(services, Registry.load())
        built = build_indexes(store)
        click.echo(f"built {len(built)} indexes" if built else "nothing to do")
        if changed := upgrade_documents(store):
            click.echo(f"brought {changed} documents to this version")
        if others := undeclared_indexes(store):
            click.echo(f"not declared, drop them unless they are yours: {', '.join(others)}")
