"""`run.py db`: prepares the database, and tells what it holds that would not be taken today."""

import sys
from pathlib import Path

import click

from commands._context import data_dir_option, json_option, open_store, write_json


@click.group()
def cli() -> None:
    """Prepare the database, and check what it holds."""


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


@cli.command()
@json_option
@data_dir_option
def check(as_json: bool, data_dir: Path | None) -> None:
    """Hold every document against what its schema would take today. Changes nothing; exit status 1 if any is not so.

    Counts, per field, what an older version took and this one would refuse or write otherwise, with some ids.

    \b
    Examples:
      python run.py db check
      python run.py db check --json
    """
    from machine.write.check import check_documents

    total = wrong = 0
    with open_store(data_dir) as store:
        for _, count, findings in check_documents(store):
            total, wrong = total + count, wrong + len(findings)
            for one in findings:
                if as_json:
                    write_json(vars(one))
                    continue
                ids = ", ".join(map(str, one.examples))
                click.echo(f"{one.resource}.{one.field}: {one.issue}: {one.count} documents, such as {ids}")
    if not as_json:
        click.echo(f"{total} documents, {wrong} kinds of trouble")
    if wrong:
        sys.exit(1)
