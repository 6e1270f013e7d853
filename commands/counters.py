"""`run.py counters`: recounts, reports drift, repairs."""

import json
import sys
from pathlib import Path

import click

from commands._context import data_dir_option, open_services


@click.group()
def cli() -> None:
    """Recount, report drift, repair."""


@cli.command()
@click.option("--fix", is_flag=True, help="Repair each drift. Safe while traffic runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per drift.")
@data_dir_option
def verify(fix: bool, as_json: bool, data_dir: Path | None) -> None:
    """Hold every counter against the documents it counts. Exit status 1 if any is wrong and stays so."""
    from machine.counters.recount import counters
    from machine.counters.recount import verify as verify_counters
    from machine.declare.registry import Registry
    from machine.write.store import Store

    wrong = repaired = 0
    with open_services(data_dir) as services:
        store = Store(services, Registry.load())
        for drift in verify_counters(store, fix):
            wrong += 1
            repaired += bool(drift.fixed)
            fate = {True: "fixed", False: "still changing: run again", None: "not fixed"}[drift.fixed]
            place = f"{drift.resource}/{drift.id} {drift.counter}"
            facts: dict[str, object] = {
                "resource": drift.resource,
                "id": str(drift.id),
                "counter": drift.counter,
            }
            facts |= {"stored": drift.stored, "counted": drift.counted, "fixed": bool(drift.fixed)}
            click.echo(
                json.dumps(facts)
                if as_json
                else f"{place}: stored {drift.stored}, counted {drift.counted}: {fate}"
            )
        if not as_json:
            click.echo(f"{len(counters(store))} counters, {wrong} drifts, {repaired} fixed")
    if wrong > repaired:
        sys.exit(1)
