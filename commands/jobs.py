"""Look at the jobs that are owed, and act on those that ended badly."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from bson import ObjectId

from commands._context import data_dir_option, open_store

if TYPE_CHECKING:
    from policy.store import Store

STATES = ["queued", "running", "succeeded", "failed", "dead", "cancelled"]


@click.group()
def cli() -> None:
    """List, retry and cancel jobs."""


@cli.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state.")
@click.option("--type", "kind", help="Only jobs of this type, such as process.")
@click.option("--limit", default=50, show_default=True)
@data_dir_option
def list_jobs(state: str | None, kind: str | None, limit: int, data_dir: Path | None) -> None:
    """List jobs, newest first."""
    match = {name: value for name, value in (("state", state), ("type", kind)) if value}
    with open_store(data_dir) as store:
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
@data_dir_option
def show(job_id: str, data_dir: Path | None) -> None:
    """Show everything about one job."""
    with open_store(data_dir) as store:
        for name, value in sorted(found(store, job_id).items()):
            text = value.isoformat() if isinstance(value, datetime) else str(value)
            click.echo(f"{name:<18} {text[:500]}")


@cli.command()
@click.argument("job_ids", nargs=-1)
@click.option("--all", "every", type=click.Choice(["failed", "dead"]), help="All jobs in this state.")
@data_dir_option
def retry(job_ids: tuple[str, ...], every: str | None, data_dir: Path | None) -> None:
    """Do jobs again that failed, died or were cancelled."""
    from tasks.retry import retry_job

    with open_store(data_dir) as store:
        for job in chosen(store, job_ids, every):
            done = retry_job(store, job)
            click.echo(f"{job['_id']} {'queued again' if done else 'cannot be done again'}")


@cli.command()
@click.argument("job_ids", nargs=-1)
@click.option("--all", "every", type=click.Choice(["failed", "dead", "cancelled"]), help="All in this state.")
@data_dir_option
def drop(job_ids: tuple[str, ...], every: str | None, data_dir: Path | None) -> None:
    """Forget jobs that have ended."""
    with open_store(data_dir) as store:
        for job in chosen(store, job_ids, every):
            dropped = store.services.jobs.drop(job["_id"])
            click.echo(f"{job['_id']} {'dropped' if dropped else 'is not ended'}")


@cli.command()
@click.argument("job_id")
@data_dir_option
def cancel(job_id: str, data_dir: Path | None) -> None:
    """End an open job; what it was about is told so."""
    import tasks.all  # noqa: F401  registers every type of job
    from tasks.job import CANCELLED, end_from_outside

    with open_store(data_dir) as store:
        job = found(store, job_id)
        ended = end_from_outside(job["_id"], "cancelled", CANCELLED, store.services, store)
        click.echo("cancelled" if ended else "it has ended")


@cli.command()
@data_dir_option
def drain(data_dir: Path | None) -> None:
    """Work off everything that is due, here and now, beside any worker."""
    import tasks.all  # noqa: F401  registers every type of job
    from tasks.job import run_job

    with open_store(data_dir) as store:
        count = 0
        while due := store.services.jobs.due(resend_seconds=0):
            for job_id in due:
                run_job(job_id, store.services, store)
                count += 1
        click.echo(f"{count} run, {store.services.jobs.counts().get('queued', 0)} wait for later")


@cli.command()
@click.option("--dry-run", is_flag=True, help="Report only.")
@data_dir_option
def reconcile(dry_run: bool, data_dir: Path | None) -> None:
    """Compare the files at Cloudinary with the database, both ways.

    A file that is nobody's is a suspect at first; a later run deletes it, at most 200 a run, and never one that
    is younger than the longest upload.
    """
    from tasks.reconcile import reconcile as compare

    with open_store(data_dir) as store:
        report = compare(store, dry_run=dry_run)
    for name, value in vars(report).items():
        click.echo(f"{name:<14} {value}")


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
