"""Create accounts from the command line: the first administrator has nobody to appoint them."""

from pathlib import Path

import click

from commands._context import data_dir_option, open_services


@click.group()
def cli() -> None:
    """Create accounts, administrators too."""


@cli.command()
@click.option("--username", required=True)
@click.option("--email", required=True)
@click.option(
    "--password", prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for when not given."
)
@click.option("--role", type=click.Choice(["user", "moderator", "admin"]), default="user", show_default=True)
@data_dir_option
def create(username: str, email: str, password: str, role: str, data_dir: Path | None) -> None:
    """Create an account, under the same rules as POST /auth/register.

    \b
    Example:
      python run.py users create --username ada --email ada@example.org --password '...' --role admin
    """
    from werkzeug.exceptions import HTTPException

    with open_services(data_dir) as services:
        from services import accounts

        try:
            account = accounts.create(services, username, email, password, role)
        except HTTPException as refusal:
            raise click.ClickException(explain(refusal)) from refusal
    click.echo(f"{role} {username} created: {account['_id']}")


def explain(refusal: Exception) -> str:
    """Put a refusal and the fields it is about in one line."""
    detail = getattr(refusal, "detail", "") or getattr(refusal, "description", "") or str(refusal)
    issues = getattr(refusal, "issues", None) or {}
    return " ".join([detail, *(f"{field}: {issue}" for field, issue in issues.items())])
