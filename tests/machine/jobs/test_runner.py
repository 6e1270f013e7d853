"""The runner: what becomes of a job that works, waits, fails, hangs, or loses its lease."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId

from clients.media import MediaUnavailable
from clients.metrics import JOBS_ENDED
from machine.jobs import job as jobs
from machine.jobs.job import GiveUp, LeaseLost, Wait
from machine.jobs.runner import LONGEST_PAUSE_SECONDS, end_from_outside, pause, run_job
from machine.jobs.sweep import sweep


@pytest.fixture
def kind(request):
    """A type of job of this test alone; its work is set by the test."""
    name = f"test_{request.node.name}"[:60]
    work = {}
    ends = []

    def on_failure(run, error, session):
        run.store.services.db.test_effects.insert_one(
            {"job": run.job["_id"], "error": error["code"]}, session=session
        )
        ends.append(error["code"])

    jobs.job(name, attempts=3, lease=0.6, on_failure=on_failure)(lambda run: work["do"](run))
    yield Kind(name, work, ends)
    jobs.TYPES.pop(name)


class Kind:
    def __init__(self, name, work, ends):
        self.name, self.work, self.ends = name, work, ends

    def owe(self, app, do, **more):
        self.work["do"] = do
        return app.services.jobs.record(
            self.name, {"resource": "videos", "id": None}, f"{self.name}:{ObjectId()}", **more
        )


@pytest.fixture(autouse=True)
def nothing_owed(app):
    yield
    app.services.db.jobs.delete_many({})


def run(app, job):
    """Run a job now, due or not."""
    app.services.db.jobs.update_one(
        {"_id": job["_id"], "state": "queued"}, [{"$set": {"next_retry_at": "$$NOW"}}]
    )
    run_job(job["_id"], app.services, app.store)
    return app.services.jobs.get(job["_id"])


def test_job_that_works_succeeds(app, kind):
    after = run(app, kind.owe(app, lambda run: run.progress("half", 50)))
    assert (after["state"], after["progress"]["percent"]) == ("succeeded", 100)


def test_poison_is_dead_after_its_attempts_and_its_end_is_told_once(app, kind):
    def poison(run):
        raise ZeroDivisionError("inside")

    job = kind.owe(app, poison)
    states = [run(app, job)["state"] for _ in range(4)]
    assert states == ["queued", "queued", "dead", "dead"]
    after = app.services.jobs.get(job["_id"])
    assert after["error"]["code"] == "internal_error" and after["cause"] == "ZeroDivisionError: inside"
    assert "inside" not in str(after["error"]), "no inside word reaches the owner"
    assert kind.ends == ["internal_error"]


def test_job_that_kills_its_worker_is_dead_after_its_attempts(app, kind):
    """A killed process writes nothing: its lease runs out, time after time."""
    job = kind.owe(app, lambda run: None)
    for _ in range(3):
        assert app.services.jobs.claim(job["_id"], "killed", 0.001)
        time.sleep(0.02)
    after = run(app, job)
    assert (after["state"], after["error"]["code"]) == ("dead", "worker_lost")


def test_job_whose_worker_fell_silent_is_said_to_be_taken_over(app, kind, caplog):
    job = kind.owe(app, lambda run: None)
    app.services.jobs.claim(job["_id"], "host:1", 0.001)
    time.sleep(0.01)
    counted = JOBS_ENDED.labels(kind.name, "abandoned")
    before = counted._value.get()
    assert run(app, job)["state"] == "succeeded"
    assert counted._value.get() == before + 1
    assert "host:1 is silent" in caplog.text


def test_pauses_grow_and_differ():
    for tries, most in ((1, 2), (4, 16), (30, LONGEST_PAUSE_SECONDS)):
        pauses = {pause(tries) for _ in range(50)}
        assert max(pauses) <= most and len(pauses) > 40
    assert max(pause(6) for _ in range(200)) > 20


def test_giving_up_fails_at_once(app, kind):
    def hopeless(run):
        raise GiveUp("too_long", "The video is too long.")

    after = run(app, kind.owe(app, hopeless))
    assert (after["state"], after["error"]["code"], after["attempts"]) == ("failed", "too_long", 1)


@pytest.mark.parametrize("reason", [Wait(60), MediaUnavailable("down", 60)], ids=["wait", "outage"])
def test_waiting_is_no_failed_attempt(app, kind, reason):
    def wait(run):
        raise reason

    job = kind.owe(app, wait)
    for _ in range(10):
        after = run(app, job)
    assert (after["state"], after["attempts"], after["waits"]) == ("queued", 0, 10)
    assert after["next_retry_at"] > after["_updated"]


def test_effects_and_end_are_one(app, kind):
    effects = app.services.db.test_effects
    effects.drop()

    def work(run):
        run.finish(lambda session: (effects.insert_one({"n": 1}, session=session), 1 / 0))

    after = run(app, kind.owe(app, work))
    assert after["state"] == "queued" and effects.count_documents({"n": 1}) == 0


def test_fifty_deliveries_have_one_effect(app, kind):
    done = []
    job = kind.owe(app, lambda run: (time.sleep(0.1), done.append(1)))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: run_job(job["_id"], app.services, app.store), range(50)))
    assert len(done) == 1 and app.services.jobs.get(job["_id"])["state"] == "succeeded"


def test_heartbeat_holds_a_job_that_takes_longer_than_its_lease(app, kind):
    def long(run):
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            run.check()
            assert app.services.jobs.claim(run.job["_id"], "thief", 30) is None
            time.sleep(0.02)

    assert run(app, kind.owe(app, long))["state"] == "succeeded"


def test_frozen_worker_cannot_write_after_its_successor(app, kind):
    effects = app.services.db.test_effects
    effects.drop()
    job = kind.owe(app, lambda run: None)
    frozen = app.services.jobs.claim(job["_id"], "frozen", 0.01)
    time.sleep(0.05)
    assert run(app, job)["state"] == "succeeded"
    thawed = jobs.Run(frozen, jobs.TYPES[kind.name], app.services, app.store)
    for write in (
        lambda: thawed.finish(lambda session: effects.insert_one({"late": 1}, session=session)),
        lambda: thawed.progress("late", 1),
        lambda: thawed.keep(late=1),
        thawed.extend,
    ):
        with pytest.raises(LeaseLost):
            write()
    assert effects.count_documents({"late": 1}) == 0


def test_cancel_stops_a_running_job(app, kind):
    started = threading.Event()

    def long(run):
        started.set()
        until = time.monotonic() + 10
        while time.monotonic() < until:
            run.check()
            time.sleep(0.02)

    job = kind.owe(app, long)
    worker = threading.Thread(target=run, args=(app, job))
    worker.start()
    started.wait(5)
    assert end_from_outside(job["_id"], "cancelled", jobs.CANCELLED, app.services, app.store)
    worker.join(5)
    assert not worker.is_alive()
    assert app.services.jobs.get(job["_id"])["state"] == "cancelled" and kind.ends == ["cancelled"]


def test_sweep_ends_what_outlives_its_deadline(app, kind):
    job = kind.owe(app, lambda run: None, deadline_seconds=0.01)
    time.sleep(0.05)
    sweep(app.services, app.store)
    after = app.services.jobs.get(job["_id"])
    assert (after["state"], after["error"]["code"]) == ("failed", "timeout") and kind.ends == ["timeout"]


def test_job_of_an_unknown_type_is_left_for_a_newer_worker(app):
    job = app.services.jobs.record("from_the_future", {"resource": None, "id": None}, "future")
    assert run(app, job)["state"] == "queued"
