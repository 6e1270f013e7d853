"""A million videos against twenty thousand, and a page far into the list against the first: size must cost nothing.

Two servers without a cache, on two databases of one mongod, in turns.
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import orjson
from bson import ObjectId
from pymongo import WriteConcern

from bench.load import Result, press, script
from bench.rounds import Row, Say, in_turns, rows_of
from bench.servers import Fleet, fetch
from bench.world import RARE, make_channel, make_video
from features.backend import Backend
from machine.declare.indexes import build_indexes
from machine.declare.registry import Registry
from machine.write.store import Store
from settings import Settings

SMALL = 20_000
CHANNELS, TEMPLATES, HITS, PICKED = 200, 1000, 200, 1000
BATCH, WRITERS = 2000, 2
# Page 4,000 of 25, reached by pages of 100.
PAGE, STEP, DEEP = 25, 100, 4000
Turn = Callable[[], Result]


def measure(
    fleet: Fleet, environ: dict[str, str], videos: int, rounds: int, seconds: float, say: Say
) -> tuple[list[Row], dict[str, str]]:
    """Fill two databases, measure, drop them; return rows, and how large the data is."""
    fleet.stop()
    envs = {name: beside(environ, name, n) for n, name in enumerate(("small", "large"), 1)}
    sizes = {"small": SMALL, "large": videos}
    paths, said, stores = {}, {}, {}
    try:
        for name, env in envs.items():
            stores[name] = Store(Backend(Settings.from_env(env)), Registry.load())
            began = time.monotonic()
            paths[name] = fill(stores[name], sizes[name])
            told = stores[name].services.db.command("collStats", "videos", scale=1024**2)
            say(f"  filled {sizes[name]:,} videos in {time.monotonic() - began:.0f} s")
            said[f"{sizes[name]:,} videos take"] = (
                f"{told['size']} MiB, their indexes {told['totalIndexSize']} MiB"
            )
            fleet.start([f"marquee_{name}"], **env)
        rows = by_size(fleet, paths, rounds, seconds) + by_depth(fleet, rounds, seconds)
    finally:
        fleet.stop()
        for store in stores.values():
            store.services.mongo.drop_database(store.services.db.name)
            store.services.close()
    for row in rows:
        if row["ratio"] is not None:
            say(f"  {row['case']:14} {row['ratio']:.2f} of {row['ratio_to']}")
    return rows, said


def beside(environ: dict[str, str], name: str, number: int) -> dict[str, str]:
    """Return the environment with a database and a Redis of its own."""
    mongo = re.sub(r"/[^/?]*(\?|$)", rf"/scale_{name}\1", environ["MONGO_URI"], count=0)
    return {**environ, "MONGO_URI": mongo, "REDIS_URL": re.sub(r"/\d+$", f"/{number}", environ["REDIS_URL"])}


def fill(store: Store, videos: int) -> dict[str, list[str]]:
    """Insert channels and videos, then build the indexes; return the paths of each case."""
    rng = random.Random(11)
    db = store.services.db
    db.client.drop_database(db.name)
    channels = [(ObjectId(), ObjectId()) for _ in range(CHANNELS)]
    db["channels"].insert_many([make_channel(store, *channel, n) for n, channel in enumerate(channels)])
    ids = [ObjectId() for _ in range(videos)]
    collection = db["videos"].with_options(write_concern=WriteConcern(w=1))
    with ThreadPoolExecutor(WRITERS) as writers:
        videos_made = make_videos(store, rng, ids, channels)
        while batches := [made for _ in range(WRITERS) if (made := list(islice(videos_made, BATCH)))]:
            list(writers.map(partial(collection.insert_many, ordered=False), batches))
    build_indexes(store)
    return {
        "scale_list": ["/api/v1/videos"],
        "scale_item": [f"/api/v1/videos/{id_}" for id_ in rng.sample(ids, min(PICKED, videos))],
        "scale_channel": [f"/api/v1/channels/{id_}/videos" for id_, _ in channels],
        "scale_search": [f"/api/v1/search?q={RARE}"],
    }


def make_videos(
    store: Store, rng: random.Random, ids: list[ObjectId], channels: list[tuple[ObjectId, ObjectId]]
) -> Iterator[dict[str, Any]]:
    """Yield videos made from some templates; as many carry the rare word, however many there are."""
    templates = [make_video(store, rng, ObjectId(), n, channels) for n in range(1, TEMPLATES + 1)]
    for template in templates:
        template["description"] = template["description"].replace(RARE, "").strip()
    now, apart = datetime.now(UTC).replace(microsecond=0), max(1, len(ids) // HITS)
    for number, id_ in enumerate(ids):
        template = templates[number % TEMPLATES]
        moment = now - timedelta(seconds=len(ids) - number)
        channel, owner = channels[rng.randrange(CHANNELS)]
        video = {
            **template, "_id": id_, "channel": channel, "owner": owner, "published_at": moment,
            "_created": moment, "_updated": moment,
        }  # fmt: skip
        if number % apart == 0:
            video["description"] += f" {RARE}"
        yield video


def turn(fleet: Fleet, server: str, paths: list[str], seconds: float) -> Turn:
    """Return a measurement of some paths of a server."""
    text, url, pid = script(paths, "GET", (), {}), fleet.url(server), fleet.children[server].pid
    return lambda: press(url, text, pid, seconds)


def by_size(fleet: Fleet, paths: dict[str, dict[str, list[str]]], rounds: int, seconds: float) -> list[Row]:
    """Compare each case on the large data with the same on the small, in turns."""
    rows, against = [], f"{SMALL:,} videos"
    for case in paths["large"]:
        for name in paths:
            require_page(fleet, f"marquee_{name}", paths[name][case][0])
        turns = {name: turn(fleet, f"marquee_{name}", paths[name][case], seconds) for name in paths}
        rows += turned(case, turns, "large", "small", against, rounds)
    return rows


def require_page(fleet: Fleet, server: str, path: str) -> None:
    """Raise unless a server answers with an item or a full page."""
    status, answer, headers = fetch(fleet.url(server) + path)
    if status != 200 or not answer or len(orjson.loads(answer).get("_items", range(PAGE))) != PAGE:
        raise RuntimeError(f"{server} {path}: {status} {headers}: {answer[:200]!r}")


def by_depth(fleet: Fleet, rounds: int, seconds: float) -> list[Row]:
    """Compare a page far into the list with the first, in turns."""
    path, page = walk(fleet.url("marquee_large"))
    turns = {
        "deep": turn(fleet, "marquee_large", [path], seconds),
        "first": turn(fleet, "marquee_large", [f"/api/v1/videos?max_results={PAGE}"], seconds),
    }
    return [{**row, "page": page} for row in turned("deep_page", turns, "deep", "first", "page 1", rounds)]


def turned(case: str, turns: dict[str, Turn], ours: str, theirs: str, against: str, rounds: int) -> list[Row]:
    """Measure two in turns, after a round that does not count; return their rows."""
    in_turns(turns, 1)
    found = in_turns(turns, rounds)
    rows = rows_of(case, "marquee", found[ours], {against: found[theirs]})
    return rows + rows_of(case, against, found[theirs], {})


def walk(url: str) -> tuple[str, int]:
    """Follow `next` to page 4,000, or to the last there is; return its path with pages of 25, and its number."""
    path, page = f"/api/v1/videos?max_results={STEP}", 1
    while page < DEEP:
        following = orjson.loads(fetch(url + path)[1])["_links"].get("next")
        if following is None:
            break
        path, page = following["href"], page + STEP // PAGE
    return path.replace(f"max_results={STEP}", f"max_results={PAGE}"), page
