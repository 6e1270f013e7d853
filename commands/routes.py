"""`run.py routes`: every endpoint, with who may call it and what it is for."""

from typing import Any

import click

from commands._context import json_option, write_json
from commands._tables import make_console, make_table


@click.command()
@json_option
@click.argument("word", default="")
def cli(as_json: bool, word: str) -> None:
    """List every endpoint; WORD keeps those whose path, group or name holds it.

    \b
    Examples:
      python run.py routes
      python run.py routes upload
      python run.py routes --json videos
    """
    from assembly import create_app
    from machine.openapi import compile_document
    from settings import Settings

    document = compile_document(create_app(Settings.from_env(log_level="ERROR")))
    rows = [row for row in read_rows(document) if word.lower() in " ".join(row.values()).lower()]
    if as_json:
        write_json(*rows)
        return
    show(rows)


def read_rows(document: dict[str, Any]) -> list[dict[str, str]]:
    """Return method, path, access, rate class, name and summary of each operation."""
    return [
        {
            "method": method.upper(), "path": path, "access": access_of(operation["security"]),
            "rate": operation["x-rate-class"], "name": operation["operationId"], "summary": operation["summary"],
        }
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]  # fmt: skip


def access_of(security: list[dict[str, Any]]) -> str:
    """Say in a word who may call."""
    if not security or {} in security:
        return "anyone"
    return "signed in" if {"apiKey": []} in security else "session"


def show(rows: list[dict[str, str]]) -> None:
    """Print the endpoints as a table."""
    table = make_table("method", "path", "access", "rate", "summary")
    for row in rows:
        table.add_row(*(row[str(column.header)] for column in table.columns))
    make_console().print(table)
    click.echo(f"{len(rows)} endpoints")
