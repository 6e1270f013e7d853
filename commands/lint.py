"""`run.py lint`: checks every declaration, without starting anything."""

import sys

import click

from commands._context import json_option, write_json


@click.command()
@json_option
def cli(as_json: bool) -> None:
    """Check every resource declaration and name all mistakes at once; exit status 1 when there are any.

    \b
    Examples:
      python run.py lint
      python run.py lint --json
    """
    from machine.declare.lint import lint
    from machine.declare.registry import read_definitions

    definitions = read_definitions()
    complaints = lint(definitions)
    if as_json:
        write_json({"resources": len(definitions), "mistakes": complaints})
        sys.exit(1 if complaints else 0)
    for complaint in complaints:
        click.echo(complaint, err=True)
    if complaints:
        click.echo(f"{len(complaints)} mistakes", err=True)
        sys.exit(1)
    click.echo(f"{len(definitions)} resources, no mistakes")
