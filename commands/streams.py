"""Serve event streams for a deployment: thousands in one process, at the same URLs as the API does."""

import resource
import sys

import click

from commands.serve import KILL_SECONDS, granian, run, server_options
from settings import Settings

# Beside the streams: requests that are refused or being answered, health checks, and the clients of the databases.
BESIDE = 512


@click.command()
@server_options(8002, "; streams are sent to another process at once")
@click.option(
    "--places",
    default=None,
    type=click.IntRange(1, 50_000),
    help="Streams that may be open at once.  [default: STREAM_PLACES]",
)
def cli(host: str, port: int, places: int | None, drain_seconds: float) -> None:
    """Serve event streams and nothing else, without a thread for each.

    Optional: the API serves the same streams, a few for each process. A proxy in front sends their URLs here.
    """
    most = places or Settings.from_env().stream_places
    require_files(most + BESIDE)
    sys.exit(run(command(host, port, most), drain_seconds, STREAM_PLACES=str(most)))


def command(host: str, port: int, places: int) -> list[str]:
    """Return the command line of the server; it must take more than there are places, so that somebody makes room."""
    options = {
        "interface": "asgi", "host": host, "port": port, "workers": 1, "runtime-threads": 1, "loop": "asyncio",
        "backlog": 2048, "backpressure": places + BESIDE, "workers-kill-timeout": KILL_SECONDS,
    }  # fmt: skip
    return granian(options, "--no-ws", "run:streams")


def require_files(most: int) -> None:
    """Let the process open so many files, a connection being one; end with a sentence where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < most:
        raise click.ClickException(
            f"{most} open files are needed, {hard} allowed: raise the limit (ulimit -Hn), or lower STREAM_PLACES."
        )
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
