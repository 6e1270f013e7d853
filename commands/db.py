"""`run.py db`: prepares the database."""

from pathlib import Path

import click

from commands._context import data_dir_option, json_option, open_store, write_json


@click.group()
def cli() -> None:
    """Prepare the database."""


@cli.command()
@json_option
@data_dir_option
def migrate(as_json: bool, data_dir: Path | None) -> None:
    """Build the indexes that are missing or have changed, and fill what older documents lack.

    Safe to run again, and while the API serves.

    \b
    Examples:
      python run.py db migrate
      python run.py db migrate --json
    """
    import tasks.all  # noqa: F401  each feature has steps of its own
    from machine.declare.indexes import build_indexes, undeclared_indexes
    from machine.write.upgrade import upgrade_documents

    with open_store(data_dir) as store:
        built = build_indexes(store)
        changed, others = upgrade_documents(store), undeclared_indexes(store)
        if as_json:
            write_json({"built": built, "upgraded": changed, "undeclared": others})
            return
        click.echo(f"built {len(built)} indexes" if built else "nothing to do")
        if changed:
            click.echo(f"brought {changed} documents to this version")
        if others:
            click.echo(f"not declared, drop them unless they are yours: {', '.join(others)}")
