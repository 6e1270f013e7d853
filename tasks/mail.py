"""Writes and sends the letters that are owed."""

from services import letters
from tasks.job import Run, job


@job(letters.JOB, attempts=8)
def send_letter(run: Run) -> None:
    """Send one letter. A second run sends it again with a fresh token, which makes the first one useless."""
    payload = run.payload
    counted_for = payload.get("counted_for", "")
    letters.write(run.services, payload["letter"], run.subject_id, payload["address"], counted_for)
