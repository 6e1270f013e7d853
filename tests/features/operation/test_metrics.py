"""What is measured is right, complete and in a form that Prometheus accepts."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from assembly import create_app
from clients.breaker import Breaker
from tests.conftest import Client

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs Debian's package prometheus")


@pytest.fixture
def variant(app):
    """Make the same application with other settings; each is closed at the end."""
    made = []

    def make(**changes):
        made.append(create_app(replace(app.settings, **changes)))
        return Client(made[-1])

    yield make
    for one in made:
        one.services.close()


def scrape(client, **headers):
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def value(client, name, **labels):
    """Return the value of one series, 0 where it does not exist yet."""
    client.app.extensions["gauges"].until = 0
    for family in text_string_to_metric_families(scrape(client)):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return 0.0


def rise(client, act, name, **labels):
    """Return by how much a series rises while `act` is done."""
    before = value(client, name, **labels)
    act()
    return value(client, name, **labels) - before


def test_a_request_is_counted_by_its_template_not_its_path(anonymous, alice):
    route = {"method": "GET", "route": "/api/v1/videos/{id}", "status": "404"}
    ask = lambda: [anonymous.get(f"/videos/{i:024x}") for i in range(3)]  # noqa: E731
    assert rise(anonymous, ask, "marquee_requests_total", **route) == 3
    assert "000000000000000000000001" not in scrape(anonymous)


def test_reads_that_end_in_the_front_are_counted_alike(anonymous, alice, name):
    channel = alice.post("/channels", {"handle": name, "name": "x"}).json["_id"]
    item = {"method": "GET", "route": "/api/v1/channels/{id}"}
    below = {"method": "GET", "route": "/api/v1/channels/{channel}/videos"}
    read = lambda path: lambda: anonymous.get(f"/channels/{channel}{path}")  # noqa: E731
    assert rise(anonymous, read(""), "marquee_requests_total", **item, status="200") == 1
    assert rise(anonymous, read("/videos"), "marquee_request_seconds_count", **below) == 1


def test_unknown_paths_and_methods_make_no_new_series(anonymous):
    for junk in ("/nowhere/1", "/nowhere/2"):
        anonymous.get(junk)
        anonymous.call("BREW", junk)
    text = scrape(anonymous)
    assert "nowhere" not in text and "BREW" not in text
    assert 'route="none"' in text and 'method="other"' in text


def test_cache_events_are_counted_by_where_the_answer_came_from(anonymous, alice, name):
    channel = alice.post("/channels", {"handle": name, "name": "x"}).json["_id"]
    read = lambda: anonymous.get(f"/channels/{channel}")  # noqa: E731
    assert rise(anonymous, read, "marquee_cache_events_total", outcome="computed") == 1
    # A page is young for a moment only: of two reads in a row the second finds it in memory.
    twice = lambda: (read(), read())  # noqa: E731
    assert rise(anonymous, twice, "marquee_cache_events_total", outcome="memory") >= 1


def test_reads_that_the_front_passes_on_are_counted(anonymous, alice):
    for read in (lambda: alice.get("/channels"), lambda: anonymous.get("/view-policy")):
        assert rise(anonymous, read, "marquee_cache_events_total", outcome="bypassed") >= 1


def test_the_queue_shows_depth_and_age(app, anonymous):
    from datetime import UTC, datetime, timedelta

    due = datetime.now(UTC) - timedelta(seconds=300)
    waiting = value(anonymous, "marquee_jobs", state="queued")
    app.services.jobs.record("nothing", {"resource": "videos", "id": None}, "metrics:1", due=due)
    app.services.db["jobs"].update_one({"key": "metrics:1"}, {"$set": {"next_retry_at": due}})
    assert value(anonymous, "marquee_jobs", state="queued") == waiting + 1
    assert 299 < value(anonymous, "marquee_job_oldest_due_seconds") < 400
    app.services.db["jobs"].update_one({"key": "metrics:1"}, {"$set": {"state": "dead"}})
    assert value(anonymous, "marquee_jobs", state="dead") == 1


def test_attempts_of_jobs_are_counted_and_timed_by_type(app, anonymous):
    from machine.jobs.job import TYPES, job
    from machine.jobs.runner import run_job

    @job("measured", attempts=1)
    def work(run):
        assert run.payload["good"]

    try:
        for good, outcome in ((True, "succeeded"), (False, "dead")):
            made = app.services.jobs.record(
                "measured", {"resource": "x", "id": None}, f"measured:{good}", {"good": good}
            )
            act = lambda made=made: run_job(made["_id"], app.services, app.store)  # noqa: E731
            labels = {"type": "measured", "outcome": outcome}
            assert rise(anonymous, act, "marquee_job_attempts_total", **labels) == 1
    finally:
        del TYPES["measured"]
    assert value(anonymous, "marquee_job_attempt_seconds_count", type="measured") == 2


def test_a_breaker_that_opens_shows_until_when(anonymous):
    breaker = Breaker(failures=2, pause_seconds=60, part="trial")
    breaker.failed()
    assert rise(anonymous, breaker.failed, "marquee_breaker_opened_total", part="trial") == 1
    assert value(anonymous, "marquee_breaker_open_until_timestamp_seconds", part="trial") > 10**9
    breaker.worked()
    assert value(anonymous, "marquee_breaker_open_until_timestamp_seconds", part="trial") == 0


def test_limits_without_redis_are_counted(variant):
    alone = variant(redis_url="redis://127.0.0.1:1/0", rate_limits=True)
    login = lambda: alone.post("/auth/login", {"login": "nobody", "password": "x" * 12})  # noqa: E731
    assert rise(alone, login, "marquee_limiter_fallbacks_total", kind="exact") >= 1
    assert value(alone, "marquee_part_up", part="redis") == 0
    assert value(alone, "marquee_part_up", part="mongodb") == 1


def test_counters_that_are_wrong_are_told_and_repaired(app, anonymous, alice, name, monkeypatch):
    import machine.counters.recount
    from machine.counters.verify_jobs import verify_counters

    monkeypatch.setattr(machine.counters.recount.verify, "__defaults__", (False, 0.01, lambda: None))
    alice.post("/channels", {"handle": name, "name": "x"})
    verify_counters(app.store)
    assert value(anonymous, "marquee_count_drifts") == 0
    app.services.db["channels"].update_one({"handle": name}, {"$inc": {"counters.videos": 7}})
    verify_counters(app.store)
    assert value(anonymous, "marquee_count_drifts") == 1
    assert app.services.db["channels"].find_one({"handle": name})["counters"]["videos"] == 0, "it is repaired"
    verify_counters(app.store)
    assert value(anonymous, "marquee_count_drifts") == 0
    assert value(anonymous, "marquee_counters_verified_timestamp_seconds") > 10**9


def test_metrics_ask_for_the_token_where_one_is_set(variant):
    guarded = variant(metrics_token="s3cret-scrape-token")
    assert guarded.get("/metrics").status_code == 401
    assert guarded.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert "marquee_requests_total" in scrape(guarded, Authorization="Bearer s3cret-scrape-token")


def test_production_without_a_token_has_no_metrics(variant):
    assert variant(environment="production").get("/metrics").status_code == 404


@needs_promtool
def test_promtool_finds_nothing_to_say(anonymous):
    text = scrape(anonymous)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, ""), done.stdout + done.stderr


def test_every_metric_has_a_sentence(anonymous):
    named = re.findall(r"^# HELP (marquee_\w+) (.*)$", scrape(anonymous), re.M)
    assert len(named) > 15 and all(about.endswith(".") for _, about in named)
