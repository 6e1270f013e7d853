"""The benchmark's command line: `make bench` or `make bench-quick`; the report is in bench/out/."""

import sys
from pathlib import Path

import click

from bench import agree, publish, report
from bench.load import NoWrk, require_wrk
from bench.run import PARTS, Plan, run
from bench.servers import BENCH
from dev.errors import StackError

OUT = BENCH / "out"
QUICK = ("list", "item", "comments", "post_comment")


@click.command()
@click.option("--quick", is_flag=True, help="Fewer cases, shorter rounds, no other parts: under 4 minutes.")
@click.option("--case", "chosen", multiple=True, help="Only this case; may be given several times.")
@click.option("--server", "servers", multiple=True, help="Only this server; may be given several times.")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(PARTS),
    help="Only this part; may be given several times.",
)
@click.option("--no-scale", is_flag=True, help="Without the million videos.")
@click.option("--no-burst", is_flag=True, help="Without the burst of uploads.")
@click.option("--rounds", type=int, help="How often each server is measured (4; quick: 3).")
@click.option("--seconds", type=float, help="How long each measurement takes (2; quick: 1).")
@click.option("--videos", type=int, default=20_000, show_default=True)
@click.option("--comments", type=int, default=100_000, show_default=True)
@click.option("--scale-videos", type=int, default=1_000_000, show_default=True)
@click.option("--upload-mib", type=int, default=1024, show_default=True)
@click.option("--films", type=int, default=200, show_default=True, help="Uploads of the burst.")
@click.option("--keep", is_flag=True, help="Keep what the last report says of other cases.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, help="Folder of the report.")
@click.option("--publish", "publishes", is_flag=True, help="Measure nothing: write the report into docs/.")
def main(
    quick: bool,
    chosen: tuple[str, ...],
    servers: tuple[str, ...],
    parts: tuple[str, ...],
    no_scale: bool,
    no_burst: bool,
    rounds: int | None,
    seconds: float | None,
    videos: int,
    comments: int,
    scale_videos: int,
    upload_mib: int,
    films: int,
    keep: bool,
    out: Path,
    publishes: bool,
) -> None:
    """Measure Marquee, its peers and the floors on the same data, as ratios in one interleaved run."""
    if publishes:
        click.echo(f"Wrote {publish.publish(out)}")
        return
    require_wrk()
    wanted = set(parts or (("cases",) if quick or chosen else PARTS))
    wanted -= {name for name, left_out in (("scale", no_scale), ("burst", no_burst)) if left_out}
    plan = Plan(
        parts=frozenset(wanted), cases=chosen or (QUICK if quick else ()), servers=servers,
        rounds=rounds or (3 if quick else 4), seconds=seconds or (1 if quick else 2), videos=videos,
        comments=comments, scale_videos=scale_videos, upload_mib=upload_mib, films=films,
    )  # fmt: skip
    rows, about = run(plan, click.echo)
    click.echo(report.write(out, rows, about, keep))
    took = ", ".join(f"{name} {seconds} s" for name, seconds in about["took_seconds"].items())
    click.echo(f"Took {took}; the report is in {out}")
    if about["failed"]:
        raise click.ClickException(f"Not all could be measured: {'; '.join(about['failed'])}")


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except (NoWrk, StackError, agree.Disagreement, click.ClickException, publish.NoReport) as trouble:
        sys.exit(str(trouble))
