"""Serve the API for a deployment: granian with the right flags, and an end that loses no request."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import click

TICK_SECONDS = 0.05
# granian ends what is left of its workers after this many seconds.
KILL_SECONDS = 30


def server_options(port: int, drained: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--host`, `--port` and `--drain-seconds` to a command that serves; `drained` says what happens meanwhile."""
    options = (
        click.option("--host", default="127.0.0.1", show_default=True),
        click.option("--port", default=port, show_default=True, type=click.IntRange(1, 65535)),
        click.option(
            "--drain-seconds", default=5.0, show_default=True, type=click.FloatRange(0, 300),
            help=f"How long /readyz says no before the end{drained}.",
        ),
    )  # fmt: skip

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.command()
@server_options(8000, ": what a load balancer needs to notice")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="One per core.")
@click.option(
    "--threads",
    default=32,
    show_default=True,
    type=click.IntRange(1, 256),
    envvar="API_THREADS",
    help="Per worker.",
)
def cli(host: str, port: int, workers: int, threads: int, drain_seconds: float) -> None:
    """Serve the API and nothing else; images and services run this.

    SIGTERM and SIGINT: /readyz says no, after --drain-seconds nothing new is accepted, what is under way is
    finished, exit status 0. A second signal skips the wait.
    """
    sys.exit(run(command(host, port, workers, threads), drain_seconds, API_THREADS=str(threads)))


def run(server_command: list[str], drain_seconds: float, **variables: str) -> int:
    """Run a server until it ends or is asked to; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="marquee-") as folder:
        environ = {"DRAIN_FILE": str(Path(folder, "drain")), **os.environ, **variables}
        empty(environ.get("METRICS_DIR", ""))
        server = subprocess.Popen(server_command, env=environ)
        return Drain(server, Path(environ["DRAIN_FILE"]), drain_seconds).watch()


def command(host: str, port: int, workers: int, threads: int) -> list[str]:
    """Return the command line of the API's server."""
    options = {
        "interface": "wsgi", "host": host, "port": port, "workers": workers, "blocking-threads": threads,
        "backlog": 2048, "workers-kill-timeout": KILL_SECONDS,
    }  # fmt: skip
    return granian(options, "--no-ws", "run:app")


def granian(options: Mapping[str, object], *more: str) -> list[str]:
    """Return granian's command line."""
    return [sys.executable, "-m", "granian", *flags(options), "--respawn-failed-workers", *more]


def flags(options: Mapping[str, object]) -> list[str]:
    """Return options as the words of a command line."""
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def empty(metrics_dir: str) -> None:
    """Throw away what processes of an earlier start have counted: their numbers are no longer theirs."""
    if metrics_dir:
        shutil.rmtree(metrics_dir, ignore_errors=True)
        Path(metrics_dir).mkdir(parents=True, exist_ok=True)


class Drain:
    """Passes the end on to the server, but first lets the load balancer notice."""

    def __init__(self, server: subprocess.Popen[bytes], drain_file: Path, seconds: float) -> None:
        self.server, self.drain_file, self.seconds = server, drain_file, seconds
        self.ends_at: float | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.ask)

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Begin to drain; asked again, end at once."""
        self.ends_at = time.monotonic() + (self.seconds if self.ends_at is None else 0)
        self.drain_file.touch()

    def watch(self) -> int:
        """Wait for the server's end and return the exit status: 0 when it was asked for."""
        try:
            while self.server.poll() is None:
                if self.ends_at is not None and time.monotonic() >= self.ends_at:
                    self.server.terminate()
                    self.ends_at = float("inf")
                time.sleep(TICK_SECONDS)
        finally:
            with contextlib.suppress(FileNotFoundError):
                self.drain_file.unlink()
        return 0 if self.ends_at is not None else self.server.returncode or 1
