"""`run.py lint`: checks every declaration, without starting anything."""

import sys

import click


@click.command()
def cli() -> None:
    """Check every resource declaration and name all mistakes at once."""
    from policy.lint import lint
    from policy.registry import read_definitions

    definitions = read_definitions()
    complaints = lint(definitions)
    for complaint in complaints:
        click.echo(complaint, err=True)
    if complaints:
        click.echo(f"{len(complaints)} mistakes", err=True)
        sys.exit(1)
    click.echo(f"{len(definitions)} resources, no mistakes")
