"""A channel of alice's with its videos, a crowd that is signed in, and what the relay and the jobs do later."""

import pytest

import tasks.all  # noqa: F401  registers the jobs
from features.notices.relay_jobs import relay_events
from machine.jobs.runner import run_job
from tests.studio import Studio, Town


@pytest.fixture(scope="module")
def studio(app, alice):
    return Studio(app, alice)


@pytest.fixture(scope="module")
def town(app):
    return Town(app)


@pytest.fixture
def film(studio):
    """A public video of alice's that is READY."""
    return studio.film()


@pytest.fixture
def later(app):
    """Do what the workers would do: relay all events, run all jobs that are due."""

    def run():
        while relay_events(app.store):
            pass
        match = {"state": "queued", "type": {"$nin": ["mail", "deliver"]}}
        while (found := app.services.db.jobs.find_one(match)) is not None:
            run_job(found["_id"], app.services, app.store)

    return run
