"""Writes and sends letters (e-mails), each for a job that was recorded for it."""

from clients.mail import CannotCarry
from features.identity import letters
from machine.jobs.runner import GiveUp, Run, job


@job(letters.JOB, attempts=8)
def send_letter(run: Run) -> None:
    """Send one letter. A second run sends it again with a fresh token, which makes the first one useless."""
    told = {name: run.payload[name] for name in ("address", "counted_for", "others") if name in run.payload}
    try:
        letters.write(run.store.services, run.payload["letter"], run.subject_id, **told)
    except CannotCarry as error:
        raise GiveUp("address_not_carried", str(error)) from error
