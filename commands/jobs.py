"""Look at the jobs that are owed, and act on those that ended badly."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from bson import ObjectId

from commands._context import data_dir_option, json_option, open_store, write_json

if TYPE_CHECKING:
    from machine.write.store import Store

STATES = ["queued", "running", "succeeded", "failed", "dead", "cancelled"]


@click.group()
def cli() -> None:
    """List, retry and cancel jobs."""


@cli.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state.")
@click.option("--type", "kind", help="Only jobs of this type, such as process.")
@click.option("--limit", default=50, show_default=True)
@json_option
@data_dir_option
def list_jobs(state: str | None, kind: str | None, limit: int, as_json: bool, data_dir: Path | None) -> None:
    """List jobs, newest first.

    \b
    Examples:
      python run.py jobs list --state dead
      python run.py jobs list --type process --json
    """
    match = {name: value for name, value in (("state", state), ("type", kind)) if value}
    with open_store(data_dir) as store:
        if as_json:
            write_json(*store.services.jobs.find(match, limit))
            return
        counts = store.services.jobs.counts()
        click.echo("  ".join(f"{name} {counts.get(name, 0)}" for name in STATES))
        for job in store.services.jobs.find(match, limit):
            click.echo(line(job))


def line(job: dict[str, Any]) -> str:
    """Describe a job in one line."""
    subject = f"{job['subject'].get('resource') or '-'}/{job['subject'].get('id') or '-'}"
    error = f"  {job['error']['code']}" if job.get("error") else ""
    return f"{job['_id']}  {job['type']:<12} {job['state']:<9} {job['attempts']}  {subject}{error}"


@cli.command()
@click.argument("job_id")
@json_option
@data_dir_option
def show(job_id: str, as_json: bool, data_dir: Path | None) -> None:
    """Show everything about one job."""
    with open_store(data_dir) as store:
        if as_json:
            write_json(found(store, job_id))
            return
        for name, value in sorted(found(store, job_id).items()):
            text = value.isoformat() if isinstance(value, datetime) else str(value)
            click.echo(f"{name:<18} {text[:500]}")


@cli.command()
@click.argument("job_ids", nargs=-1)
@click.option("--all", "every", type=click.Choice(["failed", "dead"]), help="All jobs in this state.")
@json_option
@data_dir_option
def retry(job_ids: tuple[str, ...], every: str | None, as_json: bool, data_dir: Path | None) -> None:
    """Do jobs again that failed, died or were cancelled."""
    from features.uploads.retry import retry_job

    with open_store(data_dir) as store:
        for job in chosen(store, job_ids, every):
            done = retry_job(store, job)
            tell(as_json, job["_id"], "queued again" if done else "cannot be done again", done)


@cli.command()
@click.argument("job_ids", nargs=-1)
@click.option("--all", "every", type=click.Choice(["failed", "dead", "cancelled"]), help="All in this state.")
@json_option
@data_dir_option
def drop(job_ids: tuple[str, ...], every: str | None, as_json: bool, data_dir: Path | None) -> None:
    """Forget jobs that have ended."""
    with open_store(data_dir) as store:
        for job in chosen(store, job_ids, every):
            dropped = store.services.jobs.drop(job["_id"])
            tell(as_json, job["_id"], "dropped" if dropped else "is not ended", dropped)


@cli.command()
@click.argument("job_id")
@json_option
@data_dir_option
def cancel(job_id: str, as_json: bool, data_dir: Path | None) -> None:
    """End an open job; what it was about is told so."""
    import tasks.all  # noqa: F401  registers every type of job
    from machine.jobs.job import CANCELLED
    from machine.jobs.runner import end_from_outside

    with open_store(data_dir) as store:
        job = found(store, job_id)
        ended = end_from_outside(job["_id"], "cancelled", CANCELLED, store.services, store)
        tell(as_json, job["_id"], "cancelled" if ended else "it has ended", ended)


@cli.command()
@json_option
@data_dir_option
def drain(as_json: bool, data_dir: Path | None) -> None:
    """Work off everything that is due, here and now, beside any worker."""
    import tasks.all  # noqa: F401  registers every type of job
    from machine.jobs.runner import run_job

    with open_store(data_dir) as store:
        count = 0
        while due := store.services.jobs.due(resend_seconds=0):
            for job_id in due:
                run_job(job_id, store.services, store)
                count += 1
        waiting = store.services.jobs.counts().get("queued", 0)
        if as_json:
            write_json({"run": count, "waiting": waiting})
        else:
            click.echo(f"{count} run, {waiting} wait for later")


@cli.command()
@click.option("--dry-run", is_flag=True, help="Report only.")
@json_option
@data_dir_option
def reconcile(dry_run: bool, as_json: bool, data_dir: Path | None) -> None:
    """Compare the files at Cloudinary with the database, both ways.

    A file that is nobody's is a suspect at first; a later run deletes it, at most 200 a run, and never one that
    is younger than the longest upload.
    """
    from features.uploads.reconcile_jobs import reconcile as compare

    with open_store(data_dir) as store:
        report = compare(store, dry_run=dry_run)
    if as_json:
        write_json(vars(report))
        return
    for name, value in vars(report).items():
        click.echo(f"{name:<14} {value}")


def tell(as_json: bool, job_id: Any, words: str, done: Any) -> None:
    """Say what became of a job."""
    if as_json:
        write_json({"_id": job_id, "done": bool(done), "told": words})
    else:
        click.echo(f"{job_id} {words}")


def found(store: "Store", job_id: str) -> dict[str, Any]:
    """Return a job; a sentence when there is none."""
    job = store.services.jobs.get(ObjectId(job_id)) if ObjectId.is_valid(job_id) else None
    if job is None:
        raise click.ClickException(f"There is no job {job_id}.")
    return job


def chosen(store: "Store", job_ids: tuple[str, ...], every: str | None) -> Iterator[dict[str, Any]]:
    """Yield the jobs that were named, or all in a state."""
    if not job_ids and not every:
        raise click.ClickException("Name jobs, or use --all.")
    yield from (found(store, job_id) for job_id in job_ids)
    if every:
        yield from list(store.services.jobs.find({"state": every}, 10_000))
