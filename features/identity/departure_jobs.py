"""What goes with an account besides what resources declare: its exports, and the jobs that were recorded for it."""

from bson import ObjectId

from features.identity import exports
from machine.jobs.job import Run
from machine.write.cascade_jobs import when_gone


@when_gone("users")
def forget_exports(run: Run, user: ObjectId) -> None:
    """Delete the zips of a person; one that is being made looks again when it is done."""
    exports.drop(run.services.db, {"metadata.user": user})


@when_gone("users")
def forget_jobs(run: Run, user: ObjectId) -> None:
    """Delete the jobs about a person: the payload of a letter holds an address."""
    run.services.jobs.forget_about("users", user, but=run.job["_id"])
