"""What each part of the stack is: its command, the variables it provides, how to see that it is ready."""

import contextlib
import http.client
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from commands.serve import command as serve_command
from commands.serve import flags
from dev import replica
from dev.binaries import find_mongod, find_valkey
from dev.child import Child
from dev.client import DIRECT

CLOUD = "local"


@dataclass
class Plan:
    """What the parts must know of one another: folders, ports, secrets, sizes, the variables so far."""

    data_dir: Path
    secrets: dict[str, str]
    ports: dict[str, int] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 8000
    api_workers: int = 1
    job_workers: int = 2
    env: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where this machine reaches the API: loopback when it listens everywhere."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


@dataclass(frozen=True)
class Part:
    """One process of the stack. `given` are variables that mean the part runs elsewhere already."""

    name: str
    command: Callable[[Plan], list[str]]
    is_ready: Callable[[Plan, Child], bool]
    variables: Callable[[Plan], dict[str, str]] = lambda plan: {}
    given: tuple[str, ...] = ()
    has_port: bool = False
    nice: int = 0
    stands_up_again: bool = False  # keeps nothing in memory: may be started again after a crash
    start_seconds: float = 60
    stop_seconds: float = 20

    def is_elsewhere(self, environ: Mapping[str, str]) -> bool:
        """Tell whether the environment names one to use instead."""
        return any(environ.get(name) for name in self.given)


# What may wait a moment makes way for what somebody waits for: reads stay quick in a burst of uploads.
BEHIND = 10
# A process that is killed inside a transaction leaves its locks behind for this many seconds (MongoDB: 60).
ABANDONED = ("--setParameter", "transactionLifetimeLimitSeconds=10")


def mongo_command(plan: Plan) -> list[str]:
    """Run mongod for one machine: loopback, little memory, no JavaScript, no compression libraries."""
    folder = plan.data_dir / "mongo"
    folder.mkdir(exist_ok=True)
    options: dict[str, Any] = {
        "dbpath": folder,
        "port": plan.ports["mongo"],
        "bind_ip": "127.0.0.1",
        "replSet": replica.REPLICA_SET,
        "wiredTigerCacheSizeGB": 0.5,
        "oplogSize": 256,
        "networkMessageCompressors": "disabled",
    }
    quick = ["--setParameter", "diagnosticDataCollectionEnabled=false"]
    quick += ["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"]
    return [find_mongod(), *flags(options), "--noscripting", *ABANDONED, "--nounixsocket", "--quiet", *quick]


def redis_command(plan: Plan) -> list[str]:
    """Run Valkey with its log on disk, so that no queued message is lost, and nothing ever evicted."""
    folder = plan.data_dir / "redis"
    folder.mkdir(exist_ok=True)
    options = {
        "port": plan.ports["redis"],
        "bind": "127.0.0.1",
        "dir": folder,
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
        "set-proc-title": "no",  # a title would overwrite the environment, by which we find our own
    }
    return [find_valkey(), *flags(options)]


def redis_is_ready(plan: Plan, child: Child) -> bool:
    """Ping it; while it still loads its log it answers with an error."""
    with redis.Redis(port=plan.ports["redis"], socket_timeout=0.5) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def cloudinary_command(plan: Plan) -> list[str]:
    """Run the local Cloudinary."""
    options = {
        "host": "127.0.0.1",
        "port": plan.ports["cloudinary"],
        "data-dir": plan.data_dir / "cloudinary",
        "cloud": CLOUD,
        "key": plan.secrets["media_key"],
        "secret": plan.secrets["media_secret"],
        "token-key": plan.secrets["media_token_key"],
        "renders": max(1, (os.cpu_count() or 2) // 2),
    }
    return [sys.executable, "-m", "cloudinary_local", *flags(options)]


def cloudinary_variables(plan: Plan) -> dict[str, str]:
    """Point the SDK at the local server, for calls and for delivery."""
    where = f"http://127.0.0.1:{plan.ports['cloudinary']}"
    return {
        "CLOUDINARY_URL": f"cloudinary://{plan.secrets['media_key']}:{plan.secrets['media_secret']}@{CLOUD}",
        "MEDIA_API_URL": where,
        "MEDIA_DELIVERY_URL": where,
        "MEDIA_TOKEN_KEY": plan.secrets["media_token_key"],
    }


def api_command(plan: Plan) -> list[str]:
    """Run the API as a deployment does."""
    threads = int(os.environ.get("API_THREADS", "32"))
    return serve_command(plan.host, plan.port, plan.api_workers, threads)


def worker_command(plan: Plan) -> list[str]:
    """Run the Celery worker; the only one, so it need not look for others, which costs a second."""
    alone = ["--without-mingle", "--without-gossip"]
    return [*CELERY, "worker", "--loglevel", "INFO", "--concurrency", str(plan.job_workers), *alone]


def beat_command(plan: Plan) -> list[str]:
    """Run the schedule, which lives in Redis; the lock of a killed one must not hold its successor up."""
    if "redis" in plan.ports:  # in a Redis of our own it can be nobody else's
        with redis.Redis(port=plan.ports["redis"]) as client, contextlib.suppress(redis.RedisError):
            for key in client.scan_iter("*beat::lock"):
                client.delete(key)
    return [*CELERY, "beat", "--loglevel", "INFO"]


def answers(url: str) -> bool:
    """Tell whether a GET there answers 200."""
    try:
        with DIRECT.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def api_is_ready(plan: Plan, child: Child) -> bool:
    """Ask the API itself, once all its workers have started.

    A SIGTERM before that is lost on a worker of granian, and its end would take half a minute.
    """
    if "\n".join(child.lines(100)).count("Started worker-") < plan.api_workers:
        return False
    return answers(plan.url + "/readyz")


def worker_is_ready(plan: Plan, child: Child) -> bool:
    """Look for a client that waits on the broker for messages: only a consuming worker does."""
    with redis.Redis.from_url(plan.env["REDIS_URL"], socket_timeout=0.5) as client:
        try:
            return any(entry["cmd"] == "brpop" for entry in client.client_list())
        except redis.RedisError:
            return False


CELERY = [sys.executable, "-m", "celery", "--quiet", "-A", "tasks.app"]
MONGO = Part(
    "mongo",
    mongo_command,
    lambda plan, child: replica.make_primary(plan.ports["mongo"]),
    lambda plan: {
        "MONGO_URI": f"mongodb://127.0.0.1:{plan.ports['mongo']}/marquee?replicaSet={replica.REPLICA_SET}"
    },
    given=("MONGO_URI", "MONGO_URI_FILE"),
    has_port=True,
)
REDIS = Part(
    "redis",
    redis_command,
    redis_is_ready,
    lambda plan: {"REDIS_URL": f"redis://127.0.0.1:{plan.ports['redis']}/0"},
    given=("REDIS_URL", "REDIS_URL_FILE"),
    has_port=True,
)
CLOUDINARY = Part(
    "cloudinary",
    cloudinary_command,
    lambda plan, child: answers(f"http://127.0.0.1:{plan.ports['cloudinary']}/healthz"),
    cloudinary_variables,
    given=("CLOUDINARY_URL", "CLOUDINARY_URL_FILE"),
    has_port=True,
    stands_up_again=True,
    nice=BEHIND,
)
API = Part("api", api_command, api_is_ready, stands_up_again=True, stop_seconds=35)
WORKER = Part("worker", worker_command, worker_is_ready, nice=BEHIND, stands_up_again=True, stop_seconds=30)
BEAT = Part(
    "beat",
    beat_command,
    lambda plan, child: True,  # it answers nobody: it is ready when it runs
    stands_up_again=True,
)

PARTS = {part.name: part for part in (MONGO, REDIS, CLOUDINARY, BEAT, WORKER, API)}
