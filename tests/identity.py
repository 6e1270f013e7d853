"""What the tests of identity share: other processes, owed letters, hand-made tokens."""

import re
import time
from dataclasses import replace

import jwt

import features.identity.export_jobs
import features.identity.letter_jobs  # noqa: F401  registers the job
from features.backend import Backend
from machine.jobs.runner import run_job
from tests.patience import wait_until

PASSWORD = "correct horse battery staple"
DEADLINE_SECONDS = 20


def elsewhere(settings, **changes):
    """Another process: services of their own, caches of their own."""
    return Backend(replace(settings, **changes))


def work_off(app):
    """Do what the worker would do with the jobs that are owed."""
    for job in list(app.services.db["jobs"].find({"state": "queued"}).sort("_id", 1)):
        run_job(job["_id"], app.services, app.store)


def letters_to(app, address):
    """Write the letters that are owed, and return those to an address, oldest first."""
    work_off(app)
    return [mail for mail in app.services.mail.filed() if mail["To"] == address]


def token_in(letter):
    """Return the token that a letter carries."""
    return re.search(r'"token": "([^"]+)"', letter.get_content()).group(1)


def forge(app, key=None, headers=None, **claims):
    """Sign a token like ours, with any part of it changed; a claim of None is left out."""
    active, private = app.services.tokens.ring.signing()
    now = int(time.time())
    body = {
        "iss": app.settings.public_url,
        "aud": "marquee",
        "sub": "0" * 24,
        "sid": "0" * 24,
        "jti": "x",
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "roles": ["user"],
        **claims,
    }
    head = {"typ": "at+jwt", "kid": active.kid, **(headers or {})}
    body = {name: value for name, value in body.items() if value is not None}
    head = {name: value for name, value in head.items() if value is not None}
    return jwt.encode(body, key or private, algorithm="EdDSA", headers=head)


def eventually(condition, what):
    """Wait until a condition holds."""
    wait_until(condition, DEADLINE_SECONDS, f"never came true: {what}", pause=0.01)
