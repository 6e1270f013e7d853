"""The floors: what the server, Flask, one Redis GET, and one find with orjson cost, and nothing else.

Each is a WSGI application of its own; the framework of the platform can hardly be below them.
"""

import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import orjson
from bson import ObjectId
from flask import Flask
from pymongo import MongoClient

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
PAGE = 25
LISTED = {"visibility": "public", "status": "READY", "deleted_at": None}
NEWEST = [("published_at", -1), ("_id", -1)]

flask_hello = Flask("hello")


@flask_hello.get("/<path:path>")
def greet(path: str) -> str:
    """Say hello from a Flask view."""
    return "hello, world"


def send(start_response: StartResponse, body: bytes, kind: str = "application/json") -> Iterable[bytes]:
    """Answer 200 with a body."""
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Say hello from nothing but the server."""
    return send(start_response, b"hello, world", "text/plain")


@cache
def redis_client() -> Any:
    """Connect once per process, after the fork."""
    import redis

    return redis.Redis.from_url(os.environ["REDIS_URL"])


def from_redis(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer what one GET finds in Redis: the bytes that Marquee answers."""
    key = f"floor:{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
    return send(start_response, redis_client().get(key) or b"")


@cache
def hidden() -> dict[str, int]:
    """Return the projection that leaves out what nobody is shown; Marquee's declarations say what that is."""
    return dict.fromkeys(os.environ["HIDDEN"].split(","), 0)


@cache
def database() -> Any:
    """Connect once per process, after the fork."""
    return MongoClient(os.environ["MONGO_URI"], maxPoolSize=40, tz_aware=True).get_default_database()


def from_find(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a list or an item by the one query that it takes, rendered by orjson: no rules, no links."""
    db, parts = database(), environ["PATH_INFO"].removeprefix("/api/v1/").split("/")
    if len(parts) == 2:
        found: Any = db["videos"].find_one({"_id": ObjectId(parts[1]), **LISTED}, hidden())
    elif len(parts) == 3:
        condition = {"video": ObjectId(parts[1]), "parent": None, "status": "published"}
        rows = db["comments"].find(condition, hidden(), sort=[("_id", -1)]).limit(PAGE + 1)
        found = {"_items": list(rows)[:PAGE]}
    else:
        rows = list(db["videos"].find(LISTED, hidden(), sort=NEWEST).limit(PAGE + 1))[:PAGE]
        if "embedded" in parse_qs(environ["QUERY_STRING"]):
            embed(db, rows)
        found = {"_items": rows}
    return send(start_response, orjson.dumps(found, default=str))


def embed(db: Any, rows: list[dict[str, Any]]) -> None:
    """Put the channel into each video: one query."""
    wanted = {"handle": 1, "name": 1, "avatar": 1}
    found = db["channels"].find({"_id": {"$in": [row["channel"] for row in rows]}}, wanted)
    channels = {one["_id"]: one for one in found}
    for row in rows:
        row["channel"] = channels[row["channel"]]


def sink(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Write the body of a request to disk, and nothing else."""
    with open(os.path.join(os.environ["SINK_DIR"], f"sink-{os.getpid()}"), "wb") as file:
        while chunk := environ["wsgi.input"].read(1024 * 1024):
            file.write(chunk)
    return send(start_response, b"{}")
