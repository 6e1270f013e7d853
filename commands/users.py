"""Accounts from the command line: nobody else can appoint the first administrator, or bring back the last."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands._context import data_dir_option, json_option, open_store, write_json

if TYPE_CHECKING:
    from machine.write.store import Store

ROLES = click.Choice(["user", "moderator", "admin"])


@click.group()
def cli() -> None:
    """Create accounts, administrators too; show them; change what they may do."""


@contextmanager
def open_accounts(data_dir: Path | None) -> Iterator["Store"]:
    """Yield a store whose writes to accounts end what tokens may do, and are in the audit log."""
    from features.identity.revocation import watch
    from machine.write.audit_trail import AuditTrail

    with open_store(data_dir) as store:
        watch(store)
        store.records.recorders.append(AuditTrail(store.services))
        yield store


@cli.command()
@click.option("--username", required=True)
@click.option("--email", required=True)
@click.option(
    "--password", prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for when not given."
)
@click.option("--role", type=ROLES, default="user", show_default=True)
@json_option
@data_dir_option
def create(username: str, email: str, password: str, role: str, as_json: bool, data_dir: Path | None) -> None:
    """Create an account with its address verified, under the rules of POST /auth/register.

    \b
    Example:
      python run.py users create --username ada --email ada@example.org --password '...' --role admin
    """
    from werkzeug.exceptions import HTTPException

    from features.identity.accounts import BadAccount
    from features.identity.accounts import create as create_account

    with open_accounts(data_dir) as store:
        try:
            account = create_account(store, username, email, password, role, verified=True)
        except (BadAccount, HTTPException) as refusal:
            raise click.ClickException(explain(refusal)) from refusal
    if as_json:
        write_json({"_id": account["_id"], "username": account["username"], "role": role})
    else:
        click.echo(f"{role} {account['username']} created: {account['_id']}")


@cli.command()
@click.argument("username")
@json_option
@data_dir_option
def show(username: str, as_json: bool, data_dir: Path | None) -> None:
    """Show an account: its role and status, and how many sessions it has.

    \b
    Example:
      python run.py users show ada
    """
    with open_store(data_dir) as store:
        tell(store, find(store, username), as_json)


@cli.command()
@click.argument("username")
@click.option("--role", type=ROLES, help="What the account may do from now on.")
@click.option("--status", type=click.Choice(["active", "suspended"]), help="Whether it may sign in.")
@json_option
@data_dir_option
def change(username: str, role: str | None, status: str | None, as_json: bool, data_dir: Path | None) -> None:
    """Change the role or the status of an account: at once, for whoever is signed in too. The audit log says so.

    \b
    Examples:
      python run.py users change ada --role moderator
      python run.py users change ada --status active
    """
    values = {name: value for name, value in (("role", role), ("status", status)) if value is not None}
    if not values:
        raise click.UsageError("say what to change: --role, --status")
    with open_accounts(data_dir) as store:
        changed = store.change("users", {"_id": find(store, username)["_id"]}, set=values)
        if changed is None:
            raise click.ClickException(f"{username} is gone")
        tell(store, changed, as_json)


def find(store: "Store", username: str) -> dict[str, Any]:
    """Return the account of a name, however it is written."""
    from features.identity.logins import name_key

    user: dict[str, Any] | None = store.collection("users").find_one({"username_key": name_key(username)})
    if user is None:
        raise click.ClickException(f"there is no account {username}")
    return user


def tell(store: "Store", user: dict[str, Any], as_json: bool) -> None:
    """Print an account."""
    facts = {
        name: user.get(name) for name in ("_id", "username", "role", "status", "email_verified", "_created")
    }
    facts["sessions"] = store.collection("sessions").count_documents({"user": user["_id"]})
    if as_json:
        write_json(facts)
        return
    click.echo(f"{facts['role']} {facts['username']}, {facts['status']}: {facts['_id']}")
    verified = "a verified address" if facts["email_verified"] else "no verified address"
    click.echo(f"since {facts['_created']:%Y-%m-%d}, {verified}, {facts['sessions']} sessions")


def explain(refusal: Exception) -> str:
    """Put a refusal and the fields it is about in one line."""
    detail = getattr(refusal, "detail", "") or getattr(refusal, "description", "") or str(refusal)
    issues = getattr(refusal, "issues", None) or {}
    return ". ".join(f"{field} {issue}" for field, issue in issues.items()) or detail
