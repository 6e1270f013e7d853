"""Idempotency-Key: the same POST twice acts once; another body, a running first or a dead holder end as declared."""

import secrets
import threading
from datetime import UTC, datetime, timedelta

import pytest

from machine.write.idempotency import COLLECTION


@pytest.fixture
def key():
    return secrets.token_hex(8)


def create(client, key, **fields):
    return client.post("/channels", {"name": "n", **fields}, headers={"Idempotency-Key": key})


def channels(app, handle):
    return app.store.collection("channels").count_documents({"handle": handle})


def test_second_request_gets_the_first_answer(app, alice, key, name):
    first, second = create(alice, key, handle=name), create(alice, key, handle=name)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json == first.json and second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Location"] == first.headers["Location"]
    assert channels(app, name) == 1


def test_refusals_are_replayed_too(alice, key):
    first, second = create(alice, key, handle="x"), create(alice, key, handle="x")
    assert first.status_code == second.status_code == 422
    assert second.headers["Idempotent-Replayed"] == "true"


def test_same_key_with_another_body_is_422(alice, key, name):
    create(alice, key, handle=name)
    again = create(alice, key, handle=name + "x")
    assert (again.status_code, again.json["reason"]) == (422, "idempotency_key_reused")


def test_keys_of_two_callers_do_not_meet(alice, bob, key, name):
    assert create(alice, key, handle=name).status_code == 201
    assert create(bob, key, handle=name + "b").status_code == 201


def test_stranger_with_a_known_key_gets_nothing(alice, anonymous, key, name):
    create(alice, key, handle=name)
    assert create(anonymous, key, handle=name).status_code == 401


@pytest.mark.parametrize("bad", ["", "a b", "x" * 201, "ä"])
def test_odd_keys_are_400(alice, bad, name):
    assert create(alice, bad, handle=name).status_code == 400


def test_twenty_at_once_act_once(app, alice, key, name):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(create(alice, key, handle=name).status_code))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {201, 409} and 201 in answers
    assert channels(app, name) == 1


def age(app, alice, key, **changes):
    """Make the record of a key look like that of a holder who died a while ago."""
    late = datetime.now(UTC) - timedelta(seconds=1)
    record = app.services.db[COLLECTION].find_one(sort=[("expires_at", -1)])
    app.services.db[COLLECTION].update_one(
        {"_id": record["_id"]},
        {"$set": {"state": "running", "lease_until": late, **changes}, "$unset": {"answer": 1}},
    )


def test_first_still_running_is_409_with_retry_after(app, alice, key, name):
    create(alice, key, handle=name)
    age(app, alice, key, lease_until=datetime.now(UTC) + timedelta(seconds=30))
    again = create(alice, key, handle=name)
    assert (again.status_code, again.json["reason"]) == (409, "idempotency_key_in_use")
    assert int(again.headers["Retry-After"]) >= 1


def test_takeover_of_a_dead_holder_finds_its_effect(app, alice, key, name):
    first = create(alice, key, handle=name)
    age(app, alice, key)
    again = create(alice, key, handle=name)
    assert (again.status_code, again.json["_id"]) == (201, first.json["_id"])
    assert channels(app, name) == 1


def test_request_that_failed_after_its_insert_is_answered_with_what_it_made(app, alice, key, name):
    """The answer was lost with the database: the same request again is no second one."""
    first = create(alice, key, handle=name)
    app.services.db[COLLECTION].update_many({}, {"$set": {"state": "failed"}})
    again = create(alice, key, handle=name)
    assert (again.status_code, again.json["_id"]) == (201, first.json["_id"])
    assert channels(app, name) == 1


def test_takeover_of_a_holder_that_did_nothing_does_it(app, alice, key, name):
    create(alice, key, handle=name)
    app.store.collection("channels").delete_one({"handle": name})
    age(app, alice, key)
    assert create(alice, key, handle=name).status_code == 201
    assert channels(app, name) == 1


def test_stored_answer_is_sealed(app, alice, key, name):
    create(alice, key, handle=name)
    assert name.encode() not in app.services.db[COLLECTION].find_one(sort=[("expires_at", -1)])["answer"]
