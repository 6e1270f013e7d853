"""The benchmark's command line: `make bench` or `make bench-quick`; the report is in bench/out/."""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from bench import agree, extras, report, world
from bench.cases import Case, cases
from bench.load import CONNECTIONS, NoWrk, require_wrk
from bench.rounds import Noise, compare, measure
from bench.servers import BENCH, SERVERS, Fleet, missing
from dev.errors import StackError
from dev.stack import Stack
from services import Services
from settings import Settings

OUT = BENCH / "out"
QUICK = ("list", "item", "comments", "post_comment")


@click.command()
@click.option("--quick", is_flag=True, help="Fewer cases and shorter rounds: under 4 minutes.")
@click.option("--case", "chosen", multiple=True, help="Only this case; may be given several times.")
@click.option("--server", "servers", multiple=True, help="Only this server; may be given several times.")
@click.option("--rounds", type=int, help="How often each server is measured (4; quick: 3).")
@click.option("--seconds", type=float, help="How long each measurement takes (4; quick: 1).")
@click.option("--videos", type=int, default=20_000, show_default=True)
@click.option("--comments", type=int, default=100_000, show_default=True)
@click.option(
    "--extras/--no-extras", "with_extras", default=None, help="Start-up, memory, depth, size, upload."
)
@click.option("--out", type=click.Path(path_type=Path), default=OUT, help="Folder of the report.")
def main(
    quick: bool,
    chosen: tuple[str, ...],
    servers: tuple[str, ...],
    rounds: int | None,
    seconds: float | None,
    videos: int,
    comments: int,
    with_extras: bool | None,
    out: Path,
) -> None:
    """Measure Marquee, its peers and the floors on the same data, as ratios in one interleaved run."""
    require_wrk()
    rounds, seconds = rounds or (3 if quick else 4), seconds or (1 if quick else 4)
    began, noise = time.monotonic(), Noise()
    left_out = [f"{name}: {why}" for name in SERVERS if (why := missing(SERVERS[name]))]
    able = {name for name in SERVERS if not missing(SERVERS[name]) and (not servers or name in servers)}
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(folder, parts=("mongo", "redis"), environ=bare()) as stack,
    ):
        services = Services(Settings.from_env({**bare(), **stack.env}, access_token_seconds=86400.0))
        fleet = Fleet(stack.env, Path(folder))
        try:
            click.echo(f"Filling MongoDB with {videos:,} videos and {comments:,} comments")
            data = world.build(services, videos, comments)
            picked = [narrow(case, able) for case in cases(data) if is_picked(case, quick, chosen)]
            picked = [case for case in picked if case.servers]
            fleet.start(dict.fromkeys(name for case in picked for name in case.servers))
            for case in picked:
                agree.agree(case, fleet, data)
            agree.fill_redis_floor(picked, fleet, services)
            click.echo("All servers answer the same in meaning; measuring")
            results = measure(picked, fleet, data, rounds, seconds, click.echo, noise)
            more = extras.measure(fleet, data) if (with_extras is None and not quick) or with_extras else {}
        finally:
            fleet.stop()
            services.close()
    about: dict[str, Any] = {
        "rounds": rounds, "seconds": seconds, "videos": videos, "comments": comments, "cores": os.cpu_count(),
        "connections": CONNECTIONS, "noise": noise.describe(), "extras": more, "left_out": left_out,
        "took_seconds": round(time.monotonic() - began),
    }  # fmt: skip
    click.echo(report.write(out, compare(results), about))
    click.echo(f"Took {about['took_seconds']} s; the report is in {out}")


def bare() -> dict[str, str]:
    """Return the environment without what would point the run at somebody's databases."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MONGO_", "REDIS_", "CLOUDINARY_"))
    }


def is_picked(case: Case, quick: bool, chosen: tuple[str, ...]) -> bool:
    """Tell whether a case takes part."""
    return case.name in chosen if chosen else not quick or case.name in QUICK


def narrow(case: Case, able: set[str]) -> Case:
    """Return a case with those servers only that can run here."""
    return Case(**{**case.__dict__, "servers": tuple(name for name in case.servers if name in able)})


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except (NoWrk, StackError, agree.Disagreement, click.ClickException) as trouble:
        sys.exit(str(trouble))
