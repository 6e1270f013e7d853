"""The signing keys of access tokens: list and rotate them."""

from contextlib import closing
from pathlib import Path

import click

from commands._context import data_dir_option, json_option, open_services, write_json


@click.group()
def cli() -> None:
    """List and rotate the signing keys of access tokens."""


@cli.command("list")
@json_option
@data_dir_option
def list_keys(as_json: bool, data_dir: Path | None) -> None:
    """Show every key: what it does, since when, until when.

    \b
    Example:
      python run.py keys list --json
    """
    with open_services(data_dir) as services, closing(services):
        keys = services.tokens.ring.listing()
    if as_json:
        write_json(*keys)
        return
    if not keys:
        click.echo(
            "No keys yet: the first sign-in of development makes them, else `python run.py keys rotate`."
        )
    for key in keys:
        since = key["retired_at"] or key["activated_at"] or key["created_at"]
        until = f" until {key['expires_at']:%Y-%m-%d %H:%M:%S}Z" if key["expires_at"] else ""
        made = "  (made for development)" if key["development"] else ""
        click.echo(f"{key['kid']}  {key['state']:<7}  since {since:%Y-%m-%d %H:%M:%S}Z{until}{made}")


@cli.command()
@click.option("--distrust", is_flag=True, help="The present key has leaked: refuse it, within half a minute.")
@json_option
@data_dir_option
def rotate(distrust: bool, as_json: bool, data_dir: Path | None) -> None:
    """Sign with the next key from now on; the present one verifies until its last token has expired.

    \b
    Examples:
      python run.py keys rotate
      python run.py keys rotate --distrust
    """
    from features.identity.signing_keys import KeysUnusable

    with open_services(data_dir) as services, closing(services):
        try:
            kid = services.tokens.ring.rotate(distrust)
        except KeysUnusable as error:
            raise click.ClickException(str(error)) from error
    if as_json:
        write_json({"kid": kid})
    else:
        click.echo(f"signing with {kid}")
