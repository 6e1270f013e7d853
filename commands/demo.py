"""Tour a running copy: sign up, upload a real film, watch it become READY, play it."""

from pathlib import Path

import click


@click.command()
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Where the copy answers.")
@click.option(
    "--video",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A film of your own.  [default: a clip of Big Buck Bunny]",
)
def cli(url: str, video: Path | None) -> None:
    """Tour a running copy through its public API: every request, its answer, the playback URL.

    \b
    Examples:
      python run.py demo
      python run.py demo --url http://127.0.0.1:8001 --video holiday.mp4
    """
    from dev.clips import find_clip
    from dev.errors import StackError
    from dev.tour import tour

    try:
        tour(url.rstrip("/"), video or find_clip("bigbuckbunny.mp4"))
    except StackError as error:
        raise click.ClickException(str(error)) from error
