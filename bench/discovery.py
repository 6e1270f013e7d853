"""Measure search on 100,000 videos and the subscription feed of 2,000 channels: `python -m bench.discovery`.

Each request goes through the whole application in one process, without a server in front; a first round warms up.
"""

import argparse
import itertools
import random
import secrets
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from assembly import create_app
from dev.stack import Stack
from features.discovery.common_word_jobs import note_common_words
from features.identity.sessions import Sessions
from machine.declare.indexes import build_indexes
from settings import Settings

WORDS = [
    "".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz", k=3 + seed % 7))
    for seed in range(20_000)
]
ROUNDS = 40


# Zipf's law: the second commonest word is half as common as the first, the third a third as common.
WEIGHTS = list(itertools.accumulate(1 / rank for rank in range(1, len(WORDS) + 1)))


def words(rng, count):
    """Return words as they come in a text."""
    return rng.choices(WORDS, cum_weights=WEIGHTS, k=count)


def fill(app, videos, channels):
    """Insert channels and videos; return the ids of the channels."""
    rng, db = random.Random(1), app.services.db
    ids, owner = [ObjectId() for _ in range(channels)], ObjectId()
    db["channels"].insert_many(
        {
            "_id": id_,
            "owner": owner,
            "handle": f"c{n}",
            "handle_key": f"c{n}",
            "name": WORDS[n],
            "_etag": "x",
        }
        for n, id_ in enumerate(ids)
    )
    start = datetime(2024, 1, 1, tzinfo=UTC)
    batch = []
    for n in range(videos):
        title = " ".join(words(rng, 6))
        batch.append({
            "_id": ObjectId(), "channel": rng.choice(ids), "owner": owner, "title": title, "title_key": title,
            "description": " ".join(words(rng, 30)), "tags": (tags := words(rng, 4)), "tag_keys": tags,
            "visibility": "public", "status": "READY", "deleted_at": None, "duration": rng.uniform(5, 3000),
            "published_at": start + timedelta(minutes=7 * n), "counters": {"views": rng.randrange(10**6)},
            "_etag": "x", "_created": start, "_updated": start,
        })  # fmt: skip
        if len(batch) == 2000:
            db["videos"].insert_many(batch, ordered=False)
            batch = []
    return ids


def follow(app, channels):
    """Sign somebody in who follows these channels; return the token."""
    user = app.store.insert("users", {"username": secrets.token_hex(5), "role": "user", "status": "active"})
    app.services.db["subscriptions"].insert_many(
        {"_id": ObjectId(), "user": user["_id"], "channel": channel, "level": "all"} for channel in channels
    )
    begun = Sessions(app.services, app.store).start(user["_id"], "", "127.0.0.1")
    return app.services.tokens.issue(user, begun.session)[0]


def measure(client, paths, token=None):
    """Return (median, slowest) milliseconds of a list of paths."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    taken = []
    for number, path in enumerate(paths * 2):
        begin = time.perf_counter()
        answer = client.get(f"/api/v1{path}", headers=headers)
        assert answer.status_code == 200, answer.text
        if number >= len(paths):
            taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken), max(taken)


def walk(client, path, token, pages):
    """Return the paths of the pages of a list."""
    paths, headers = [], {"Authorization": f"Bearer {token}"}
    while path and len(paths) < pages:
        paths.append(path.removeprefix("/api/v1"))
        links = client.get(f"/api/v1{paths[-1]}", headers=headers).json["_links"]
        path = links.get("next", {}).get("href")
    return paths


def main():
    """Fill a database, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=100_000)
    parser.add_argument("--channels", type=int, default=4_000)
    asked = parser.parse_args()
    with Stack(tempfile.mkdtemp(), parts=("mongo", "redis")) as stack:
        app = create_app(Settings.from_env(stack.env, rate_limits=False, log_level="ERROR"))
        build_indexes(app.store)
        channels = fill(app, asked.videos, asked.channels)
        print(f"{note_common_words(app.store)} words are too common to be looked up")
        client, rng = app.test_client(), random.Random(2)
        rare = [f"/search?q={WORDS[rng.randrange(2000, 20_000)]}" for _ in range(ROUNDS)]
        common = [f"/search?q={WORDS[n]}" for n in range(5)]
        three = [f"/search?q={'+'.join(words(rng, 3))}" for _ in range(ROUNDS)]
        filters = [f"/search?tags={WORDS[rng.randrange(50)]}" for _ in range(ROUNDS)]
        prefixes = [f"/search/suggestions?q={WORDS[rng.randrange(500)][:3]}" for _ in range(ROUNDS)]
        rows = [
            ("search, a rare word", measure(client, rare)),
            ("search, three words as they come", measure(client, three)),
            ("search, one of the five commonest words", measure(client, common)),
            ("search, a tag, newest first", measure(client, filters)),
            ("suggestions", measure(client, prefixes)),
        ]
        for count in (20, 200, 2000):
            token = follow(app, rng.sample(channels, count))
            pages = walk(client, "/feed/subscriptions", token, 20)
            rows.append(
                (f"subscription feed, {count} channels, pages 1 to 20", measure(client, pages, token))
            )
        print("| request | median ms | slowest ms |\n|---|---|---|")
        for name, (median, slowest) in rows:
            print(f"| {name} | {median:.1f} | {slowest:.1f} |")


if __name__ == "__main__":
    main()
