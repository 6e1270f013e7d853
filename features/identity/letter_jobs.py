"""Writes and sends letters (e-mails), each for a job that was recorded for it."""

from features.identity import letters
from machine.jobs.job import Run, job


@job(letters.JOB, attempts=8)
def send_letter(run: Run) -> None:
    """Send one letter. A second run sends it again with a fresh token, which makes the first one useless."""
    letters.write(run.store.services, run.subject_id, run.payload)
