"""`run.py shell`: a Python prompt with the services, the store and the registry of a copy at hand."""

import code
from pathlib import Path

import click

from commands._context import data_dir_option, open_store

WORDS = "store, services, db, registry, settings, ObjectId"


@click.command()
@click.option("-c", "--command", "source", help="Run this and end.")
@data_dir_option
def cli(source: str | None, data_dir: Path | None) -> None:
    """Open a Python shell on the services.

    At hand: store (writes that keep counters and caches right), services, db, registry, settings, ObjectId.

    \b
    Example:
      python run.py shell -c "print(store.get('videos', ObjectId('...'))['status'])"
    """
    from bson import ObjectId

    with open_store(data_dir) as store:
        words = {
            "store": store, "services": store.services, "db": store.services.db, "registry": store.registry,
            "settings": store.services.settings, "ObjectId": ObjectId,
        }  # fmt: skip
        if source is not None:
            exec(compile(source, "<command>", "exec"), words)
            return
        banner = f"Marquee at {store.services.settings.public_url}. At hand: {WORDS}."
        code.interact(banner=banner, local=words, exitmsg="")
