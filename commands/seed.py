"""`run.py seed`: many accounts, channels, videos and comments at once, for trials of lists, search and load."""

import random
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clients import clock
from commands._context import data_dir_option, json_option, open_store, write_json

if TYPE_CHECKING:
    from machine.write.store import Store

Document = dict[str, Any]
BATCH = 1000
VIDEOS_PER_CHANNEL = 50
CATEGORIES = ("music", "sport", "nature", "science", "games", "travel")
WORDS = tuple(
    "river morning light winter garden train mountain small quiet long first last green blue market city "  # noqa: SIM905
    "forest dance song bread boat night story road house bird storm summer window lesson test repair build".split()
)


@click.command()
@click.option("--videos", default=1000, show_default=True, type=click.IntRange(1, 10_000_000))
@click.option(
    "--comments", default=5, show_default=True, type=click.IntRange(0, 1000), help="Below each video."
)
@click.option("--random-seed", default=1, show_default=True, help="The same number gives the same texts.")
@json_option
@data_dir_option
def cli(videos: int, comments: int, random_seed: int, as_json: bool, data_dir: Path | None) -> None:
    """Fill a copy with bulk data: public videos without a film, in channels of accounts nobody can sign in to.

    Counters are right from the start (`counters verify` shows it). Not for production, which refuses.

    \b
    Example:
      python run.py seed --videos 100000 --comments 10
    """
    with open_store(data_dir) as store:
        if store.services.settings.environment == "production":
            raise click.ClickException("This is production: seed a copy of its own.")
        began, chance = time.monotonic(), random.Random(random_seed)
        batches = make(store, chance, videos, comments)
        made: dict[str, int] = {}
        with click.progressbar(length=videos, label="videos", file=sys.stderr) as bar:
            for resource, documents in batches:
                store.collection(resource).insert_many(documents, ordered=False)
                made[resource] = made.get(resource, 0) + len(documents)
                bar.update(len(documents) if resource == "videos" else 0)
        forget_caches(store)
    if as_json:
        write_json({"made": made, "seconds": round(time.monotonic() - began, 1)})
        return
    told = ", ".join(f"{count} {resource}" for resource, count in made.items())
    click.echo(f"{told} in {time.monotonic() - began:.1f} s")


def make(
    store: "Store", chance: random.Random, videos: int, comments: int
) -> Iterator[tuple[str, list[Document]]]:
    """Yield (resource, documents) in an order in which what is referred to is there."""
    run = f"{time.time_ns():x}"[-9:]
    for first in range(0, videos, BATCH):
        count = min(BATCH, videos - first)
        homes = [
            home(store, f"{run}{first + n:x}", min(VIDEOS_PER_CHANNEL, count - n))
            for n in range(0, count, VIDEOS_PER_CHANNEL)
        ]
        yield "users", [user for user, _ in homes]
        yield "channels", [channel for _, channel in homes]
        films = [film(store, chance, homes[n // VIDEOS_PER_CHANNEL], comments) for n in range(count)]
        yield "videos", films
        authors = [user["_id"] for user, _ in homes]
        said = (remark(store, chance, one, authors) for one in films for _ in range(comments))
        while batch := [one for _, one in zip(range(BATCH), said, strict=False)]:
            yield "comments", batch


def finish(store: "Store", resource: str, document: Document, created: datetime | None = None) -> Document:
    """Give a document what every insert through the store gives it."""
    from bson import ObjectId

    from machine.write.store import touch

    document = {"_id": ObjectId(), **document, **touch(), "_created": created or clock.second()}
    return store.prepare(resource, document)


def home(store: "Store", name: str, videos: int) -> tuple[Document, Document]:
    """Return an account and its one channel."""
    user = finish(
        store,
        "users",
        {
            "username": f"seed.{name}", "display_name": f"Seed {name}", "role": "user", "status": "active",
            "email_verified": False, "settings": {"history_paused": False, "notifications": {}},
        },
    )  # fmt: skip
    user["counters"]["channels"] = 1
    channel = finish(
        store, "channels", {"owner": user["_id"], "handle": f"seed.{name}", "name": f"Channel {name}"}
    )
    channel["counters"]["videos"] = videos
    return user, channel


def film(store: "Store", chance: random.Random, home: tuple[Document, Document], comments: int) -> Document:
    """Return a public video, READY without a file."""
    user, channel = home
    published = clock.second() - timedelta(seconds=chance.randrange(365 * 86400))
    video = finish(
        store,
        "videos",
        {
            "channel": channel["_id"], "owner": user["_id"], "title": text(chance, 4).capitalize(),
            "description": text(chance, 40), "tags": chance.sample(WORDS, 3), "category": chance.choice(CATEGORIES),
            "language": "en", "visibility": "public", "status": "READY", "comment_policy": "open",
            "published_at": published, "duration": chance.randrange(10, 3600),
        },
        published,
    )  # fmt: skip
    video["counters"]["comments"] = comments
    video["counters"]["views"] = int(10 ** chance.uniform(0, 5))
    return video


def remark(store: "Store", chance: random.Random, video: Document, authors: list[Any]) -> Document:
    """Return a published comment."""
    document = {
        "video": video["_id"], "author": chance.choice(authors), "parent": None, "reply_to": None,
        "text": text(chance, 12), "status": "published",
    }  # fmt: skip
    return finish(store, "comments", document, video["published_at"])


def text(chance: random.Random, words: int) -> str:
    """Return so many words."""
    return " ".join(chance.choices(WORDS, k=words))


def forget_caches(store: "Store") -> None:
    """Make every cached answer stale: the documents went past the store."""
    from machine.edge.cache import EVERYTHING

    store.services.cache.bump({EVERYTHING})
