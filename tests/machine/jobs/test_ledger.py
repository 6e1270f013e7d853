"""The ledger: owed once, claimed by one, fenced, and never lost."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from machine.jobs.ledger import JobLedger
from tests.patience import patience
from tests.platform import poll


@pytest.fixture
def ledger(app):
    app.services.db.jobs.delete_many({})
    return JobLedger(app.services)


@pytest.fixture
def job(ledger):
    return ledger.record("work", {"resource": "videos", "id": ObjectId()}, f"work:{ObjectId()}")


def test_job_is_owed_once_per_key(ledger):
    with ThreadPoolExecutor(8) as pool:
        ids = {one["_id"] for one in pool.map(lambda _: ledger.record("work", {}, "same"), range(50))}
    assert len(ids) == 1
    assert ledger.counts() == {"queued": 1}


def test_payload_is_stored_as_it_is(ledger):
    payload = {"path": "$state", "nested": {"a": [1, "$$NOW"]}}
    assert ledger.get(ledger.record("work", {}, "odd", payload)["_id"])["payload"] == payload


def test_rolled_back_transaction_owes_nothing(app, ledger):
    with pytest.raises(ZeroDivisionError):
        app.store.in_transaction(
            lambda session: (ledger.record("work", {}, "undone", session=session), 1 / 0)
        )
    assert ledger.counts() == {}


def test_one_of_many_workers_gets_it(ledger, job):
    barrier = threading.Barrier(20)

    def claim(number):
        barrier.wait()
        return ledger.claim(job["_id"], f"w{number}", 30)

    with ThreadPoolExecutor(20) as pool:
        claims = [one for one in pool.map(claim, range(20)) if one]
    assert len(claims) == 1 and claims[0]["attempts"] == 1


def test_job_is_not_run_before_it_is_due(ledger):
    later = datetime.now(UTC) + timedelta(hours=1)
    job = ledger.record("work", {}, "later", due=later)
    assert ledger.claim(job["_id"], "w", 30) is None
    assert ledger.due() == []


def test_lost_lease_lets_another_take_over_and_fences_the_first(ledger, job):
    first = ledger.claim(job["_id"], "first", 0.01)
    time.sleep(0.05)
    second = ledger.claim(job["_id"], "second", 30)
    assert second["fence"] == first["fence"] + 1
    assert not ledger.update(first, {"progress": {"$literal": {"step": "stale", "percent": 1}}})
    assert not ledger.extend(first, 30)
    assert not ledger.end(first, "succeeded")
    assert ledger.end(second, "succeeded")
    assert ledger.get(job["_id"])["state"] == "succeeded"


def test_heartbeat_keeps_others_away(ledger, job):
    held = ledger.claim(job["_id"], "w", 0.2)
    assert ledger.extend(held, 30)
    time.sleep(0.3)
    assert ledger.claim(job["_id"], "other", 30) is None


def test_waiting_costs_no_attempt_and_a_failure_does(ledger, job):
    held = ledger.claim(job["_id"], "w", 30)
    assert ledger.requeue(held, 0, waiting=True)
    assert ledger.get(job["_id"])["attempts"] == 0
    held = ledger.claim(job["_id"], "w", 30)
    assert ledger.requeue(held, 0, waiting=False, error={"code": "x", "message": "y", "detail": "inner"})
    stored = ledger.get(job["_id"])
    assert stored["attempts"] == 1 and stored["cause"] == "inner" and "detail" not in stored["error"]


def test_hint_that_comes_while_it_runs_is_not_lost(ledger):
    job = ledger.record("work", {}, "hinted")
    held = ledger.claim(job["_id"], "w", 30)
    assert ledger.hasten("hinted") == job["_id"]
    assert ledger.requeue(held, 3600, waiting=True, hints=0)
    assert ledger.due() == [job["_id"]]


def test_sweep_sends_what_is_due_and_what_lost_its_worker(ledger, job):
    assert ledger.due() == [job["_id"]]
    ledger.claim(job["_id"], "w", 0.01)
    time.sleep(0.05)
    assert ledger.due() == [job["_id"]]
    ledger.note_sent([job["_id"]])
    assert ledger.due() == [], "not again at once"
    assert ledger.due(resend_seconds=0) == [job["_id"]]


def test_job_that_lost_its_worker_is_sent_as_soon_as_its_lease_ends(ledger, job):
    """That it was sent a moment before does not hold it up: it was claimed since."""
    ledger.note_sent([job["_id"]])
    ledger.claim(job["_id"], "killed", 0.2)
    assert ledger.due() == []
    poll(lambda: ledger.due() == [job["_id"]], 5, "due again")
    ledger.note_sent([job["_id"]])
    assert ledger.due() == [], "and then no more than once in a while"


def test_overdue_job_is_found(ledger):
    job = ledger.record("work", {}, "short", deadline_seconds=0.01)
    time.sleep(0.05)
    assert ledger.overdue([job["type"]]) == [job["_id"]]


def test_retry_starts_anew_with_a_new_deadline(ledger):
    job = ledger.record("work", {}, "again", deadline_seconds=100)
    assert ledger.retry(job["_id"]) is None, "it has not ended"
    ledger.end(ledger.claim(job["_id"], "w", 30), "dead", {"code": "x", "message": "y"})
    again = ledger.retry(job["_id"])
    assert (again["state"], again["attempts"], again["error"]) == ("queued", 0, None)
    assert again["deadline_at"] > job["deadline_at"]


def test_seized_job_is_lost_to_its_worker(ledger, job):
    held = ledger.claim(job["_id"], "w", 30)
    seized = ledger.seize(job["_id"])
    assert not ledger.end(held, "succeeded")
    assert ledger.end(seized, "cancelled")
    assert ledger.seize(job["_id"]) is None


def test_only_ended_jobs_can_be_dropped(ledger, job):
    assert not ledger.drop(job["_id"])
    ledger.end(ledger.claim(job["_id"], "w", 30), "failed")
    assert ledger.drop(job["_id"])


def test_dead_broker_costs_no_time_and_no_job(app, ledger, job):
    from dataclasses import replace

    from features.backend import Backend

    nowhere = Backend(replace(app.settings, redis_url="redis://127.0.0.1:1/0"))
    began = time.monotonic()
    assert not nowhere.jobs.announce(job["_id"])
    assert not nowhere.jobs.announce(job["_id"])
    assert time.monotonic() - began < patience(2)
    nowhere.close()
