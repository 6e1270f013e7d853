"""Notifications of Cloudinary: genuine ones hasten a job, everything else changes nothing."""

import hashlib
import json
import time

import pytest
from bson import ObjectId

from features.uploads.records import ago, process_key


@pytest.fixture
def job(app):
    """A job that waits for a rendering."""
    video = ObjectId()
    subject = {"resource": "videos", "id": video}
    return app.services.jobs.record("process", subject, process_key(video, 1), due=ago(-3600))


def notice_for(job, **more):
    public_id = f"marquee/{job['subject']['id']}/1"
    return {"notification_type": "eager", "public_id": public_id, "batch_id": "b", "eager": [], **more}


def send(app, client, notice, secret="secret", at=None, name="sha1", signed=None):
    body = notice if isinstance(notice, bytes) else json.dumps(notice).encode()
    stamp = str(int(time.time()) if at is None else at)
    signature = hashlib.new(name, (signed or body) + stamp.encode() + secret.encode()).hexdigest()
    headers = {"X-Cld-Timestamp": stamp, "X-Cld-Signature": signature, "Content-Type": "application/json"}
    return client.call("POST", "/hooks/cloudinary", data=body, headers=headers)


def is_hastened(app, job):
    return app.services.jobs.get(job["_id"])["next_retry_at"] < job["next_retry_at"]


@pytest.mark.parametrize("name", ["sha1", "sha256"])
def test_genuine_notice_hastens_the_job(app, anonymous, job, name):
    assert send(app, anonymous, notice_for(job), name=name).status_code == 200
    assert is_hastened(app, job)


def test_forged_notice_is_refused(app, anonymous, job):
    assert send(app, anonymous, notice_for(job), secret="guessed").status_code == 403
    assert not is_hastened(app, job)


def test_changed_body_is_refused(app, anonymous, job):
    original = json.dumps(notice_for(job)).encode()
    assert send(app, anonymous, original + b" ", signed=original).status_code == 403


@pytest.mark.parametrize("age", [-7300, 400])
def test_stale_and_future_notices_are_refused(app, anonymous, job, age):
    assert send(app, anonymous, notice_for(job), at=int(time.time()) + age).status_code == 403
    assert not is_hastened(app, job)


def test_repeated_notice_is_known(app, anonymous, job):
    now = int(time.time())
    assert send(app, anonymous, notice_for(job), at=now).json["status"] == "ok"
    assert send(app, anonymous, notice_for(job), at=now).json["status"] == "known"
    assert app.services.jobs.get(job["_id"])["hints"] == 1


def test_failed_rendering_is_remembered_as_a_hint(app, anonymous, job):
    eager = [{"status": "failed", "transformation": "sp_hd", "reason": "bad"}]
    assert send(app, anonymous, notice_for(job, eager=eager)).status_code == 200
    assert app.services.jobs.get(job["_id"])["payload"]["broken"] == ["sp_hd"]


@pytest.mark.parametrize("notice", [{}, [], {"public_id": "other/thing"}, {"public_id": "marquee/../x/1"}, 5])
def test_notice_about_nothing_of_ours_is_noted(app, anonymous, notice):
    assert send(app, anonymous, notice).status_code == 200


def test_junk_with_a_right_signature_is_400(app, anonymous):
    assert send(app, anonymous, b"{junk").status_code == 400


@pytest.mark.parametrize("headers", [{}, {"X-Cld-Timestamp": "soon", "X-Cld-Signature": "x"}])
def test_notice_without_a_usable_signature_is_refused(anonymous, headers):
    assert anonymous.call("POST", "/hooks/cloudinary", data=b"{}", headers=headers).status_code == 403


def test_endless_body_is_refused(anonymous):
    assert anonymous.call("POST", "/hooks/cloudinary", data=b"x" * (1024 * 1024 + 1)).status_code == 413
