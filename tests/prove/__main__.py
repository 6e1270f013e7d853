"""Try every promise and write the report: `make prove` to docs/reliability.md, the short form below tests/prove/out."""

import sys
import time
from pathlib import Path

import click

from tests.prove import report, runner

OUT = Path(__file__).parent / "out"


@click.command()
@click.option("--quick", is_flag=True, help="The short form: under 6 minutes.")
@click.option("--only", multiple=True, help="Only this promise; may be given several times.")
@click.option("--again", is_flag=True, help="Put the rows of --only in the place of those on the page.")
@click.option("--soak", type=float, help="Minutes of steady load at 80 % of the knee.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the report goes.")
@click.option("--list", "listed", is_flag=True, help="Only name the promises.")
@click.option("--verbose", is_flag=True, help="Show what each promise printed.")
def main(quick, only, again, soak, out, listed, verbose):
    """Try the promises one after the other; exit status 1 if one is broken."""
    if unknown := set(only) - set(runner.names()):
        raise click.ClickException(f"there is no promise {', '.join(sorted(unknown))}; see --list")
    if listed:
        click.echo("\n".join(runner.names()))
        return
    if again and (quick or not only):
        raise click.UsageError("--again goes with --only, in the full form.")
    began, results, commit = time.monotonic(), [], report.commit()
    for name in only or runner.names():
        environ = {} if soak is None else {"PROVE_SOAK_MINUTES": str(soak)}
        rows, seconds, printed = runner.attempt(name, quick, environ)
        results.append((name, rows, seconds))
        if verbose or any(row.ok is False for row in rows):
            click.echo(printed)
        for row in rows:
            click.echo(f"{row.verdict:9} {name}: {row.promise}; {row.figure} {row.notes} ({seconds:.0f} s)")
    text = report.markdown(results, quick, time.monotonic() - began, commit, soak)
    target = out or target_of(quick, only and not again)
    if again:
        text = report.renewed(target.read_text(), results, commit)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    click.echo(f"{target}")
    sys.exit(any(row.ok is False for _, rows, _ in results for row in rows))


def target_of(quick, only):
    """Return the file of the report: the page in docs only for the whole of it."""
    return OUT / "reliability.md" if quick or only else runner.ROOT / "docs" / "reliability.md"


if __name__ == "__main__":
    main()
