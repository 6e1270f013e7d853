"""`python run.py jobs`: what an operator sees and does."""

import pytest
from bson import ObjectId
from click.testing import CliRunner

from machine.jobs import job as jobs
from run import cli


@pytest.fixture
def run(app, settings, monkeypatch):
    for name in ("mongo_uri", "redis_url", "secret_key", "data_dir", "public_url", "cloudinary_url"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    app.services.db.jobs.delete_many({})

    def invoke(*arguments, status=0):
        done = CliRunner().invoke(cli, ["jobs", *(str(word) for word in arguments)])
        assert done.exit_code == status, done.output
        return done.output

    return invoke


@pytest.fixture
def kind():
    """A type of job that counts how often it ran."""
    ran = []
    jobs.job("test_command")(lambda run: ran.append(1))
    yield ran
    jobs.TYPES.pop("test_command")


def owe(app):
    return app.services.jobs.record(
        "test_command", {"resource": "videos", "id": None}, f"command:{ObjectId()}"
    )


def end(app, job, state):
    claimed = app.services.jobs.claim(job["_id"], "w", 30)
    assert app.services.jobs.end(claimed, state, {"code": "broken", "message": "It broke."})


def test_list_counts_and_filters(app, run, kind):
    dead, queued = owe(app), owe(app)
    end(app, dead, "dead")
    assert "queued 1" in run("list") and str(queued["_id"]) in run("list")
    listed = run("list", "--state", "dead")
    assert str(dead["_id"]) in listed and "broken" in listed and str(queued["_id"]) not in listed


def test_show_tells_everything(app, run, kind):
    assert "test_command" in run("show", owe(app)["_id"])
    assert "There is no job" in run("show", "nonsense", status=1)


def test_dead_jobs_are_retried_and_drained(app, run, kind):
    for _ in range(3):
        end(app, owe(app), "dead")
    assert run("retry", "--all", "dead").count("queued again") == 3
    assert "3 run, 0 wait" in run("drain")
    assert len(kind) == 3 and app.services.jobs.counts() == {"succeeded": 3}


def test_only_ended_jobs_are_dropped(app, run, kind):
    dead, queued = owe(app), owe(app)
    end(app, dead, "dead")
    assert "is not ended" in run("drop", queued["_id"])
    assert "dropped" in run("drop", "--all", "dead")
    assert app.services.jobs.get(dead["_id"]) is None


def test_open_job_is_cancelled(app, run, kind):
    job = owe(app)
    assert "cancelled" in run("cancel", job["_id"])
    assert app.services.jobs.get(job["_id"])["state"] == "cancelled"
    assert "it has ended" in run("cancel", job["_id"])


def test_naming_nothing_is_refused(run):
    assert "Name jobs, or use --all" in run("retry", status=1)
