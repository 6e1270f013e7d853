"""What checking an access token costs: CPU of ours per check, with and without the memory of verified tokens.

Absolute times depend on the machine; the ratio to one bare Ed25519 verification, measured in the same run, travels.
Run `python -m bench.token_check`; it starts servers of its own, or uses those of MONGO_URI and REDIS_URL.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from bson import ObjectId
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dev.stack import Stack
from features.backend import Backend
from settings import Settings

ROUNDS = 15
CHECKS = 400
LIMIT_MICROSECONDS = 100.0


def cost(work: Callable[[], Any]) -> dict[str, float]:
    """Return microseconds of CPU (this thread) and of wall time per call: medians of several rounds."""
    cpu, wall = [], []
    for _ in range(ROUNDS):
        began_cpu, began = time.thread_time(), time.perf_counter()
        for _ in range(CHECKS):
            work()
        cpu.append((time.thread_time() - began_cpu) / CHECKS * 1e6)
        wall.append((time.perf_counter() - began) / CHECKS * 1e6)
    return {"cpu_us": round(median(cpu), 1), "wall_us": round(median(wall), 1)}


def sign_in(services: Backend) -> str:
    """Store a user and a session, and return an access token of theirs."""
    user = {"_id": ObjectId(), "username": f"bench-{ObjectId()}", "role": "user", "status": "active"}
    session = {"_id": ObjectId(), "user": user["_id"]}
    services.db["users"].insert_one({**user, "username_key": user["username"]})
    services.db["sessions"].insert_one(session)
    return services.tokens.issue(user, session["_id"])[0]


def measure(services: Backend) -> dict[str, Any]:
    """Measure each part of a check and the whole."""
    token, tokens = sign_in(services), services.tokens
    claims = tokens.verify(token)
    key = Ed25519PrivateKey.generate()
    signature, public, message = key.sign(token.encode()), key.public_key(), token.encode()
    names = [f"auth:g:{claims.session}", f"auth:u:{claims.user}"]
    alive = tokens.liveness.check("sessions", claims.session or claims.user, claims.user)

    class Answered:
        """Liveness already answered: what remains is hashing and looking up."""

        def check(self, kind: str, grant: ObjectId, user: ObjectId) -> Any:
            return alive

    rows = {
        "one bare Ed25519 verification": cost(lambda: public.verify(signature, message)),
        "proving a token for the first time": cost(lambda: tokens.prove(token)),
        "one MGET of redis-py, nothing else": cost(lambda: services.redis.mget(names)),
        "the whole check, remembered": cost(lambda: tokens.verify(token)),
    }
    live, tokens.liveness = tokens.liveness, Answered()  # type: ignore[assignment]
    rows["the check without its round trip, remembered"] = cost(lambda: tokens.verify(token))
    tokens.liveness = live
    bare = rows["one bare Ed25519 verification"]["cpu_us"]
    for row in rows.values():
        row["ratio"] = round(row["cpu_us"] / bare, 2)
    return rows


def report(rows: dict[str, Any]) -> bool:
    """Print the table; tell whether the amortised cost without the round trip is below the limit."""
    print(f"{'':46} {'CPU us':>8} {'wall us':>8} {'x Ed25519':>10}")
    for name, row in rows.items():
        print(f"{name:46} {row['cpu_us']:8} {row['wall_us']:8} {row['ratio']:10}")
    ours = rows["the check without its round trip, remembered"]["cpu_us"]
    print(f"\namortised, without the round trip: {ours} us (limit {LIMIT_MICROSECONDS:g} us)")
    print(json.dumps(rows), file=sys.stderr)
    return bool(ours < LIMIT_MICROSECONDS)


def main() -> int:
    """Measure on servers of our own, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, Stack(folder, parts=("mongo", "redis")) as stack:
        services = Backend(Settings.from_env({**os.environ, **stack.env}))
        try:
            return 0 if report(measure(services)) else 1
        finally:
            services.close()


if __name__ == "__main__":
    sys.exit(main())
