"""Measure what search in scripts without spaces costs: `python -m bench.spaceless`.

The same number of videos with made-up Japanese titles, tags and descriptions is written with the words that search
keeps beside them and without, each into a database of its own. Told are the size of the text index and of the data,
and what this process and MongoDB take of the processor: for a document with its words, and for a page of a search
through the whole application. That depends little on what else the machine does.
"""

import argparse
import random
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from assembly import create_app
from dev.stack import Stack
from machine.declare.indexes import build_indexes
from settings import Settings

# So many different letters, as common as in a text: by Zipf's law.
LETTERS = [chr(0x4E00 + 3 * n) for n in range(2000)]
WEIGHTS = [1 / (rank + 10) for rank in range(len(LETTERS))]
ROUNDS, BATCH = 40, 100


def text(rng, count):
    """Return a run of so many letters."""
    return "".join(rng.choices(LETTERS, WEIGHTS, k=count))


def make(rng, number):
    """Return the texts of a video: a title of 15 letters, three tags of 3, a description of 300."""
    start = datetime(2025, 1, 1, tzinfo=UTC)
    return {
        "_id": ObjectId(), "channel": ObjectId(), "owner": ObjectId(), "title": text(rng, 15),
        "tags": [text(rng, 3) for _ in range(3)], "description": "。".join(text(rng, 20) for _ in range(15)),
        "visibility": "public", "status": "READY", "deleted_at": None, "duration": 60.0, "_etag": "x",
        "published_at": start + timedelta(minutes=number), "_created": start, "_updated": start,
    }  # fmt: skip


class Meter:
    """The time of the processor that this process and MongoDB have taken, in µs."""

    def __init__(self, db):
        self.db = db
        self.here = self.there = 0.0

    @contextmanager
    def running(self):
        """Count what is taken meanwhile."""
        here, there = time.process_time(), self.of_mongodb()
        yield
        self.here += (time.process_time() - here) * 1e6
        self.there += self.of_mongodb() - there

    def of_mongodb(self):
        """Return what MongoDB has taken since its start."""
        told = self.db.command("serverStatus")["extra_info"]
        return told["user_time_us"] + told["system_time_us"]


def fill(app, count, beside):
    """Insert videos; return the µs of the processor per document: here for its words, in MongoDB to take it in."""
    rng, videos, resource = random.Random(1), app.services.db["videos"], app.registry["videos"]
    words, store = Meter(app.services.db), Meter(app.services.db)
    for begin in range(0, count, BATCH):
        batch = [make(rng, begin + n) for n in range(BATCH)]
        with words.running():
            copies = [resource.folded_copies(one) for one in batch]
        for one, copy in zip(batch, copies, strict=True):
            one.update({k: v for k, v in copy.items() if beside or not k.endswith("_words")})
        with store.running():
            videos.insert_many(batch, ordered=False)
    return words.here / count, store.there / count


def search(app, paths):
    """Ask for pages, once to warm up; return the µs of the processor per page, here and in MongoDB."""
    client, meter = app.test_client(), Meter(app.services.db)
    for path in paths:
        assert client.get(f"/api/v1{path}").status_code == 200
    with meter.running():
        for path in paths:
            # Another page, which nothing remembers.
            assert client.get(f"/api/v1{path}&max_results=24").status_code == 200
    return meter.here / len(paths), meter.there / len(paths)


def main():
    """Fill two databases, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=20_000)
    count = parser.parse_args().videos
    print("| | words beside | without |\n|---|---:|---:|")
    rows = {}
    for beside in (True, False):
        with Stack(tempfile.mkdtemp(), parts=("mongo", "redis")) as stack:
            app = create_app(Settings.from_env(stack.env, rate_limits=False, log_level="ERROR"))
            build_indexes(app.store)
            made, stored = fill(app, count, beside)
            told = app.services.db.command("collStats", "videos")
            rng = random.Random(2)
            tell(rows, "text index, MB", told["indexSizes"]["words"] / 2**20)
            tell(rows, "documents, MB", told["size"] / 2**20)
            tell(rows, "making what is kept beside a document, µs of processor", made)
            tell(rows, "MongoDB taking a document in, µs of processor", stored)
            for letters in (1, 2, 4):
                paths = [f"/search?q={text(rng, letters)}" for _ in range(ROUNDS)]
                here, there = search(app, paths)
                tell(rows, f"search for {letters} letters, µs of processor here", here)
                tell(rows, f"search for {letters} letters, µs of processor in MongoDB", there)
    for name, (with_words, without) in rows.items():
        print(f"| {name} | {with_words:.1f} | {without:.1f} |")


def tell(rows, name, value):
    """Add a figure to its row."""
    rows.setdefault(name, []).append(value)


if __name__ == "__main__":
    main()
