"""Run the local Cloudinary alone, in the foreground."""

import os
import sys
from pathlib import Path

import click

from commands._context import DEFAULT_DATA_DIR, ROOT
from commands.serve import flags


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8100, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DATA_DIR / "cloudinary",
    help="Folder for files and metadata.  [default: .data/cloudinary]",
)
@click.option("--cloud", default="local", show_default=True, help="Cloud name.")
@click.option("--key", default="key", show_default=True, help="API key.")
@click.option("--secret", default="secret", show_default=True, help="API secret.")
@click.option("--token-key", default="", help="Hex key of auth tokens.  [default: derived from the secret]")
def cli(host: str, port: int, data_dir: Path, cloud: str, key: str, secret: str, token_key: str) -> None:
    """Run the local Cloudinary alone: the SDK's `upload_prefix` is http://HOST:PORT.

    \b
    Example:
      python run.py media --port 8100 --data-dir /tmp/media --cloud demo --key 1234 --secret abcd
    """
    options = {"host": host, "port": port, "data-dir": data_dir.resolve()}
    options |= {"cloud": cloud, "key": key, "secret": secret, "token-key": token_key}
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "cloudinary_local", *flags(options)])
