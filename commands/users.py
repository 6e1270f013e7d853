"""Create accounts from the command line: the first administrator has nobody to appoint them."""

from pathlib import Path

import click

from commands._context import data_dir_option, json_option, open_store, write_json


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
@json_option
@data_dir_option
def create(username: str, email: str, password: str, role: str, as_json: bool, data_dir: Path | None) -> None:
    """Create an account with its address verified, under the rules of POST /auth/register.

    \b
    Example:
      python run.py users create --username ada --email ada@example.org --password '...' --role admin
    """
    from werkzeug.exceptions import HTTPException

    from services.accounts import BadAccount
    from services.accounts import create as create_account

    with open_store(data_dir) as store:
        try:
            account = create_account(store, username, email, password, role, verified=True)
        except (BadAccount, HTTPException) as refusal:
            raise click.ClickException(explain(refusal)) from refusal
    if as_json:
        write_json({"_id": account["_id"], "username": username, "role": role})
    else:
        click.echo(f"{role} {username} created: {account['_id']}")


def explain(refusal: Exception) -> str:
    """Put a refusal and the fields it is about in one line."""
    detail = getattr(refusal, "detail", "") or getattr(refusal, "description", "") or str(refusal)
    issues = getattr(refusal, "issues", None) or {}
    return ". ".join(f"{field} {issue}" for field, issue in issues.items()) or detail
