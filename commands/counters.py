"""`run.py counters`: recounts, reports drift, repairs."""

import sys
from dataclasses import asdict
from pathlib import Path

import click

from commands._context import data_dir_option, json_option, open_store, write_json


@click.group()
def cli() -> None:
    """Recount, report drift, repair."""


@cli.command()
@click.option("--fix", is_flag=True, help="Repair each drift. Safe while traffic runs.")
@json_option
@data_dir_option
def verify(fix: bool, as_json: bool, data_dir: Path | None) -> None:
    """Hold every counter against the documents it counts. Exit status 1 if any is wrong and stays so."""
    from machine.counters.recount import counters
    from machine.counters.recount import verify as verify_counters

    wrong = repaired = 0
    with open_store(data_dir) as store:
        for drift in verify_counters(store, fix):
            wrong += 1
            repaired += bool(drift.fixed)
            if as_json:
                facts = asdict(drift) | {"fixed": bool(drift.fixed)}
                facts.pop("revision")
                write_json(facts)
                continue
            fate = {True: "fixed", False: "still changing: run again", None: "not fixed"}[drift.fixed]
            place = f"{drift.resource}/{drift.id} {drift.counter}"
            click.echo(f"{place}: stored {drift.stored}, counted {drift.counted}: {fate}")
        if not as_json:
            click.echo(f"{len(counters(store))} counters, {wrong} drifts, {repaired} fixed")
    if wrong > repaired:
        sys.exit(1)
