"""Read the mails that development files in a folder instead of sending them."""

from pathlib import Path

import click

from commands._context import data_dir_option, json_option, load, write_json


@click.command()
@click.option("--to", default="", help="Only mails to this address.")
@click.option("--last", type=click.IntRange(1), default=10, show_default=True, help="So many, newest last.")
@json_option
@data_dir_option
def cli(to: str, last: int, as_json: bool, data_dir: Path | None) -> None:
    """Show the mails of development.

    \b
    Example:
      python run.py mail --to ada@example.org --last 1
    """
    from clients.addresses import key
    from clients.mail import Mail

    settings = load(data_dir)
    if settings.smtp_url:
        raise click.ClickException("Mails are sent by SMTP_URL; there is no folder to read.")
    mails = [mail for mail in Mail(settings).filed() if not to or key(mail["To"]) == key(to)]
    if as_json:
        names = ("Date", "To", "Subject")
        write_json(*(
            {**{name.lower(): str(mail[name]) for name in names}, "text": mail.get_content()} for mail in mails[-last:]
        ))  # fmt: skip
        return
    if not mails:
        click.echo("No mail.")
    for mail in mails[-last:]:
        click.echo(f"Date: {mail['Date']}\nTo: {mail['To']}\nSubject: {mail['Subject']}\n")
        click.echo(f"{mail.get_content().rstrip()}\n{'-' * 72}")
