"""Writes and sends letters (e-mails), each for a job that was recorded for it."""

from clients.mail import CannotCarry
from features.backend import backend_of
from features.identity import letters
from machine.jobs.job import GiveUp, Run, job


@job(letters.JOB, attempts=8)
def send_letter(run: Run) -> None:
    """Send one letter. A second run sends it again with a fresh token, which makes the first one useless."""
    try:
        letters.write(backend_of(run.store), run.subject_id, run.payload)
    except CannotCarry as error:
        raise GiveUp("address_not_carried", str(error)) from error
