"""The servers of a run: two processes each, all on the same data, all with the same cores to use."""

import os
import shutil
import sys
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.world import PEER_SECRET, hidden_names
from commands.serve import flags
from dev.child import ROOT, Child, wait_until_ready
from dev.client import DIRECT
from dev.datadir import free_port
from dev.errors import StackError
from dev.parts import answers
from machine.declare.registry import Registry

BENCH = ROOT / "bench"
PROCESSES = 2
EXPRESS = BENCH / "peers" / "express"
PEERS_PYTHON = BENCH / ".venv" / "bin" / "python"


@dataclass(frozen=True)
class Server:
    """One contestant: how it is started and what sets it apart."""

    name: str
    target: str
    environ: dict[str, str] = field(default_factory=dict)
    health: str = "/healthz"
    kind: str = "wsgi"
    threads: int = 0
    processes: int = PROCESSES
    flags: tuple[str, ...] = ()


MARQUEE = "run:app"
SERVERS = {
    server.name: server
    for server in (
        Server("marquee", MARQUEE, {"READ_CACHE": "off"}, "/livez"),
        Server("marquee_cached", MARQUEE, {"READ_CACHE": "redis"}, "/livez"),
        Server("marquee_hot", MARQUEE, {"READ_CACHE": "on"}, "/livez"),
        Server("marquee_alone", MARQUEE, {"READ_CACHE": "on"}, "/livez", processes=1),
        Server("marquee_small", MARQUEE, {"READ_CACHE": "off"}, "/livez"),
        Server("marquee_large", MARQUEE, {"READ_CACHE": "off"}, "/livez"),
        Server("express_lean", "server.js", {"MODE": "lean"}, kind="node"),
        Server("express_redis", "server.js", {"MODE": "redis"}, kind="node"),
        Server("starlette", "bench.peers.starlette_app:app", kind="asgi"),
        Server("eve_stock", "bench.peers.eve_stock:app", health="/api/v1/channels"),
        Server("floor_find", "bench.peers.floors:from_find", health="/api/v1/videos"),
        Server("floor_redis", "bench.peers.floors:from_redis"),
        Server("floor_hello", "bench.peers.floors:hello"),
        Server("flask_hello", "bench.peers.floors:flask_hello"),
        Server("floor_sink", "bench.peers.floors:sink"),
        # Marquee under other servers; see wsgi_servers.py.
        *(Server(f"granian_{n}", MARQUEE, {}, "/livez", threads=n) for n in (1, 8, 32)),
        Server("gunicorn_sync", MARQUEE, {}, "/livez", "gunicorn"),
        *(Server(f"gunicorn_gthread_{n}", MARQUEE, {}, "/livez", "gunicorn", threads=n) for n in (8, 32)),
        Server("gunicorn_gevent", MARQUEE, {}, "/livez", "gunicorn", flags=("--worker-class", "gevent")),
    )
}


def command(server: Server, port: int, python: str = sys.executable) -> list[str]:
    """Return how a server is started; all Python ones stand under granian with the flags of production."""
    if server.kind == "node":
        return [shutil.which("node") or "node", str(EXPRESS / server.target)]
    options: dict[str, Any] = {"workers": server.processes, "backlog": 2048, "log-level": "warning"}
    if server.kind == "gunicorn":
        python, module, more = str(PEERS_PYTHON), "gunicorn", server.flags
        options["bind"] = f"127.0.0.1:{port}"
        if server.threads:
            options |= {"worker-class": "gthread", "threads": server.threads}
    else:
        module, more = "granian", ("--no-ws",)
        options |= {"interface": server.kind, "host": "127.0.0.1", "port": port}
        if server.kind == "wsgi":
            options["blocking-threads"] = server.threads or 32
        else:
            python, options["loop"] = str(PEERS_PYTHON), "uvloop"
    return [python, "-m", module, *flags(options), *more, server.target]


def python_path(server: Server) -> str:
    """Return where a server finds Python modules: gunicorn has a venv of its own, and Marquee's libraries from ours."""
    return os.pathsep.join(
        [str(ROOT), sysconfig.get_path("purelib")] if server.kind == "gunicorn" else [str(ROOT)]
    )


def missing(server: Server) -> str:
    """Say what this machine lacks to run a server, nothing when it can."""
    if server.kind == "node" and not shutil.which("node"):
        return "Node.js is not installed (Debian: apt-get install nodejs npm)"
    if server.kind == "node" and not (EXPRESS / "node_modules").exists():
        return f"run `npm ci` in {EXPRESS.relative_to(ROOT)}, or `make bench`, which does"
    if server.kind in ("asgi", "gunicorn") and not PEERS_PYTHON.exists():
        return "bench/.venv is missing; `make bench` makes it"
    return ""


class Fleet:
    """The servers of a run, from start to stop."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self.environ, self.folder = environ, folder
        self.children: dict[str, Child] = {}
        self.ports: dict[str, int] = {}

    def start(self, names: Iterable[str], **changed: str) -> None:
        """Start servers side by side and wait until each answers."""
        names, hidden = list(names), ",".join(hidden_names(Registry.load()))
        for name in names:
            server = SERVERS[name]
            port = self.ports[name] = free_port()
            environ = {
                **os.environ, **self.environ, "PYTHONPATH": python_path(server), "PORT": str(port),
                "WORKERS": str(PROCESSES), "PEER_SECRET": PEER_SECRET, "HIDDEN": hidden, "NODE_ENV": "production",
                "RATE_LIMITS": "off", "ACCESS_LOG": "0", "ACCESS_TOKEN_SECONDS": "86400", **server.environ, **changed,
            }  # fmt: skip
            self.children[name] = Child(name, command(server, port), environ, self.folder)
        for name in names:
            health = self.url(name) + SERVERS[name].health
            try:
                wait_until_ready(self.children[name], partial(answers, health), 60)
            except StackError as error:
                raise StackError("\n".join([str(error), *self.children[name].lines()])) from error

    def url(self, name: str) -> str:
        """Return where a server listens."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def stop(self, *names: str) -> None:
        """End these servers, or all."""
        for name in names or list(self.children):
            self.children.pop(name).stop(10)


def fetch(
    url: str,
    method: str = "GET",
    body: str | None = None,
    token: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes, dict[str, str]]:
    """Send one request and return (status, body, headers); never through a proxy."""
    asked = urllib.request.Request(url, body.encode() if body else None, headers or {}, method=method)
    if body:
        asked.add_header("Content-Type", "application/json")
    if token:
        asked.add_header("Authorization", f"Bearer {token}")
    try:
        with DIRECT.open(asked, timeout=30) as response:
            return (
                response.status,
                response.read(),
                {name.lower(): value for name, value in response.headers.items()},
            )
    except urllib.error.HTTPError as error:
        return error.code, error.read(), {}
