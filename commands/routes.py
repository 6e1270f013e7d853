"""`run.py routes`: every endpoint, with who may call it and what it is for."""

import json
from typing import Any

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
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
        for row in rows:
            click.echo(json.dumps(row))
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
    from rich.table import Table

    from commands.policy import make_console

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("method", "path", "access", "rate", "summary"):
        table.add_column(heading, no_wrap=heading in ("method", "path"))
    for row in rows:
        table.add_row(*(row[str(column.header)] for column in table.columns))
    make_console().print(table)
    click.echo(f"{len(rows)} endpoints")
