"""The data that every server of the benchmark reads: users, channels, videos of about 1 KB, comments, trends."""

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import orjson
from bson import ObjectId

from features.identity import accounts
from features.identity.sessions import Sessions
from machine.declare.indexes import build_indexes
from machine.declare.registry import Registry
from machine.services import Services
from machine.write.store import Store

Document = dict[str, Any]
PASSWORD = "correct horse battery staple"
PEER_SECRET = "only-for-the-benchmark-only-for-the-benchmark"
TEXT = (
    "river stone lantern harbour winter garden copper violin meadow signal thunder paper orchard silver bridge "
    "compass velvet engine island candle mirror forest pocket anchor summer kettle window marble feather"
)
WORDS = TEXT.split()
# One video in so many carries it, so that a search has a few hundred hits to rank.
RARE, RARE_EVERY = "zeppelin", 100
BATCH, OWN = 5000, 1000


@dataclass
class World:
    """What the cases need to know of the data."""

    videos: list[str] = field(default_factory=list)
    # Private videos of the one who signs in.
    own: list[str] = field(default_factory=list)
    login: str = "bench"
    token: str = ""
    peer_token: str = ""


def hidden_names(registry: Registry) -> list[str]:
    """Return what is stored with videos and comments and shown to nobody, for the peers to leave out."""
    fields = [field for name in ("videos", "comments") for field in registry[name].fields.values()]
    shown = {field.name for field in fields if field.public}
    internal = {"status_deadline", "counters_rev", "idempotency_key", "deleted_at"}
    return sorted((internal | {field.name for field in fields}) - shown)


def sentence(rng: random.Random, words: int) -> str:
    """Make a sentence."""
    return " ".join(rng.choices(WORDS, k=words)).capitalize()


def build(services: Services, videos: int, comments: int) -> World:
    """Fill an empty database with the same data every time, and build the declared indexes."""
    store, rng = Store(services, Registry.load()), random.Random(7)
    world = World()
    user = accounts.create(store, world.login, "bench@example.org", PASSWORD, verified=True)
    users = [ObjectId() for _ in range(500)]
    channels = [(ObjectId(), rng.choice(users)) for _ in range(200)]
    insert(store, "users", (make_user(store, id_, n) for n, id_ in enumerate(users)))
    insert(store, "channels", (make_channel(store, *channel, n) for n, channel in enumerate(channels)))
    ids = [ObjectId() for _ in range(videos)]
    insert(store, "videos", (make_video(store, rng, id_, n, channels) for n, id_ in enumerate(ids)))
    world.own = insert_own(store, rng, user["_id"])
    commented = ids[-max(1, comments // 50) :]
    insert(
        store, "comments", (make_comment(store, rng, rng.choice(commented), users) for _ in range(comments))
    )
    insert_trending(services, rng.sample(ids, 100))
    build_indexes(store)
    world.videos = [str(id_) for id_ in rng.sample(commented, min(200, len(commented)))]
    sign_in(services, store, user, world)
    return world


def insert_own(store: Store, rng: random.Random, user: ObjectId) -> list[str]:
    """Insert a channel of this user with private videos; return their ids."""
    channel, ids = ObjectId(), [ObjectId() for _ in range(OWN)]
    insert(store, "channels", [make_channel(store, channel, user, OWN * 100)])
    videos = (make_video(store, rng, id_, n, [(channel, user)]) for n, id_ in enumerate(ids, 1))
    insert(store, "videos", ({**video, "visibility": "private", "published_at": None} for video in videos))
    return [str(id_) for id_ in ids]


def insert(store: Store, resource: str, documents: Iterable[Document]) -> None:
    """Insert many documents past the hooks: nothing listens here."""
    batch: list[Document] = []
    for document in documents:
        batch.append(document)
        if len(batch) == BATCH:
            store.collection(resource).insert_many(batch, ordered=False)
            batch = []
    if batch:
        store.collection(resource).insert_many(batch, ordered=False)


def stamped(store: Store, resource: str, document: Document, age: timedelta = timedelta()) -> Document:
    """Add what the server itself writes into a new document."""
    moment = datetime.now(UTC).replace(microsecond=0) - age
    stamps = {"_created": moment, "_updated": moment, "_etag": str(ObjectId())}
    return store.prepare(resource, {**document, **stamps})


def make_user(store: Store, id_: ObjectId, number: int) -> Document:
    """Make a user."""
    return stamped(
        store, "users",
        {"_id": id_, "username": f"user{number}", "display_name": f"User {number}", "role": "user", "status": "active"},
    )  # fmt: skip


def make_channel(store: Store, id_: ObjectId, owner: ObjectId, number: int) -> Document:
    """Make a channel."""
    named = {
        "handle": f"channel{number}",
        "name": f"Channel {number}",
        "avatar": f"https://img.example/{id_}.jpg",
    }
    return stamped(store, "channels", {"_id": id_, "owner": owner, **named})


def make_video(
    store: Store, rng: random.Random, id_: ObjectId, number: int, channels: list[tuple[ObjectId, ObjectId]]
) -> Document:
    """Make a public video that is ready, a second younger than the one before."""
    channel, owner = rng.choice(channels)
    age = timedelta(days=365) - timedelta(seconds=number)
    video = stamped(store, "videos", {"channel": channel, "owner": owner, "title": sentence(rng, 5)}, age)
    rare = f" {RARE}" if number % RARE_EVERY == 0 else ""
    base = f"https://media.example/{id_}"
    return video | {
        "_id": id_,
        "description": sentence(rng, 50) + rare,
        "tags": (tags := rng.sample(WORDS, 4)),
        "tag_keys": tags,
        "category": rng.choice(WORDS[:10]),
        "language": "en",
        "visibility": "public",
        "published_at": video["_created"],
        "status": "READY",
        "media": {"public_id": f"marquee/{id_}", "version": 1, "format": "mp4", "bytes": 10_000_000},
        "duration": float(rng.randrange(10, 3000)),
        "width": 1920,
        "height": 1080,
        "thumbnail": f"{base}/thumb.jpg",
        "renditions": [{"height": h, "width": h * 16 // 9} for h in (360, 720, 1080)],
        "comment_policy": "open",
        "counters": {**video["counters"], "views": rng.randrange(1_000_000), "likes": rng.randrange(10_000)},
    }


def make_comment(store: Store, rng: random.Random, video: ObjectId, users: list[ObjectId]) -> Document:
    """Make a published comment."""
    comment = {"_id": ObjectId(), "video": video, "author": rng.choice(users), "parent": None}
    return stamped(store, "comments", {**comment, "text": sentence(rng, 25), "mentions": []})


def insert_trending(services: Services, ids: list[ObjectId]) -> None:
    """Store one generation of the trending list."""
    generation = int(time.time() * 1000)
    services.db["trending"].insert_many(
        [
            {"window": "day", "generation": generation, "rank": rank, "video": id_}
            for rank, id_ in enumerate(ids, 1)
        ]
    )


def sign_in(services: Services, store: Store, user: Document, world: World) -> None:
    """Begin a session for Marquee, and one for the peers with the same checks in Redis."""
    session = Sessions(services, store).start(user["_id"], "bench", "127.0.0.1").session
    world.token = services.tokens.issue(user, session)[0]
    claims = {"sid": str(session), "sub": str(user["_id"]), "aud": "peer", "exp": int(time.time()) + 86400}
    world.peer_token = jwt.encode(claims, PEER_SECRET, algorithm="HS256")
    services.redis.set(f"peer:session:{session}", b"1")
    services.redis.set(f"peer:user:{user['_id']}", orjson.dumps({"role": "user", "active": True}))
