"""Health checks say what a load balancer and a person need to know."""

from dataclasses import replace

import pytest

from assembly import create_app
from tests.conftest import Client


@pytest.fixture
def leaving(app, tmp_path):
    """The same data behind an instance that can be asked to drain."""
    other = create_app(replace(app.settings, drain_file=str(tmp_path / "drain"), build="1.2.3-test"))
    yield Client(other), tmp_path / "drain"
    other.services.close()


def test_liveness_asks_nobody(app):
    nowhere = create_app(
        replace(app.settings, mongo_uri="mongodb://127.0.0.1:1/x", redis_url="redis://127.0.0.1:1/0")
    )
    assert Client(nowhere).get("/livez").json == {"status": "ok"}
    nowhere.services.close()


def test_readiness_tells_every_part_and_the_build(leaving):
    answer = leaving[0].get("/readyz")
    assert answer.status_code == 200 and answer.json["build"] == "1.2.3-test"
    assert answer.json["parts"] | {"jobs": ""} == {
        "mongodb": "ok", "indexes": "ok", "redis": "ok", "media": "ok", "jobs": "",
    }  # fmt: skip


def test_an_instance_that_drains_is_not_ready_and_still_serves(leaving):
    client, drain_file = leaving
    drain_file.touch()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (503, "draining")
    assert client.get("/livez").status_code == client.get("/channels").status_code == 200
    drain_file.unlink()
    assert client.get("/readyz").status_code == 200


def test_without_redis_it_is_ready_and_says_what_is_missing(app):
    without = create_app(replace(app.settings, redis_url="redis://127.0.0.1:1/0"))
    answer = Client(without).get("/readyz")
    assert answer.status_code == 200 and answer.json["parts"]["redis"] == "down"
    without.services.close()


def test_a_missing_index_is_named_and_not_ready(app):
    app.services.db["channels"].drop_index("one_handle")
    fresh = create_app(app.settings)
    answer = Client(fresh).get("/readyz")
    assert answer.status_code == 503 and answer.json["parts"]["indexes"] == "missing: channels.one_handle"
    fresh.services.close()


def test_workers_are_well_once_one_was_seen(app, anonymous):
    from machine.jobs.alive_jobs import note_alive

    app.services.redis.delete("worker:seen")
    assert anonymous.get("/readyz").json["parts"]["jobs"] == "no worker has been seen"
    note_alive(app.store)
    assert anonymous.get("/readyz").json["parts"]["jobs"] == "ok"
