"""Parts die while a video is on its way: it ends READY, or FAILED with a reason, with one effect."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
import redis
import requests
from bson import ObjectId
from pymongo import MongoClient

from features.operation.gauges import WORKER_SEEN
from tests.patience import patience
from tests.platform import CLIP, ROOT, Platform, poll


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with Platform(tmp_path_factory.mktemp("kills")) as running:
        yield running


@pytest.fixture(scope="module")
def alice(platform):
    return platform.sign_up("alice").make_channel("alice")


@pytest.fixture(scope="module")
def db(platform):
    with MongoClient(platform.stack.env["MONGO_URI"]) as client:
        yield client.get_default_database()


def job_of(alice, answer):
    return alice.get(f"/jobs/{answer.json()['job']}").json()


def start(alice):
    video = alice.make_video()
    answer = alice.upload(video)
    assert answer.status_code == 202, answer.text
    return video, answer


def await_step(alice, answer, *steps):
    """Return once the job is in one of these steps."""
    return poll(lambda: job_of(alice, answer)["progress"]["step"] in steps, 20, f"step {steps}")


def assert_played_once(platform, alice, video, seconds=60):
    """READY and playable, one job that succeeded, and one file at Cloudinary."""
    shown = poll(lambda: platform.stand_up() or alice.ended(video), seconds, f"{video} READY or FAILED")
    assert shown["status"] == "READY", shown["status_detail"]
    urls = alice.get(f"/videos/{video}/playback").json()
    for name in ("hls", "mp4", "thumbnail"):
        assert requests.get(urls[name], timeout=patience(20)).status_code == 200
    assert stored_files(platform, video) == [f"marquee/{video}/1"]
    # Other films of the test may still be on their way.
    poll(lambda: not platform.spool, seconds, "an empty spool")
    return shown


def stored_files(platform, video):
    """Ask the local Cloudinary what it holds below a video's folder."""
    env = platform.stack.env
    key, _, secret = urlsplit(env["CLOUDINARY_URL"]).netloc.rpartition("@")[0].partition(":")
    url = f"{env['MEDIA_API_URL']}/v1_1/local/resources/video/authenticated"
    answer = requests.get(
        url, params={"prefix": f"marquee/{video}/"}, auth=(key, secret), timeout=patience(20)
    )
    return [one["public_id"] for one in answer.json()["resources"]]


@pytest.mark.parametrize("moment", ["queued", "storing", "rendering"])
def test_killed_worker_costs_no_video(platform, alice, moment):
    video, answer = start(alice)
    with contextlib.suppress(AssertionError):
        poll(lambda: job_of(alice, answer)["progress"]["step"] == moment, 2, moment)
    platform.stack.kill("worker")
    platform.stack.restart("worker")
    assert_played_once(platform, alice, video)


def test_killed_pool_child_costs_no_video(platform, alice, db):
    video, answer = start(alice)
    job = poll(
        lambda: db.jobs.find_one({"subject.id": {"$exists": 1}, "state": "running"}), 10, "a running job"
    )
    os.kill(int(job["worker"].rpartition(":")[2]), signal.SIGKILL)
    assert_played_once(platform, alice, video)


def test_killed_media_store_costs_no_video(platform, alice):
    video, answer = start(alice)
    await_step(alice, answer, "rendering", "done")
    platform.stack.kill("cloudinary")
    platform.stack.restart("cloudinary")
    assert_played_once(platform, alice, video)


def await_trouble(platform):
    """Return once the API has noticed that MongoDB does not answer."""
    poll(lambda: platform.call("GET", f"{platform.base}/readyz").status_code == 503, 20, "not ready")


def assert_one_effect(db, video):
    """One job that succeeded, one attempt's result, and one notice of it."""
    (job,) = db.jobs.find({"type": "process", "subject.id": ObjectId(video)})
    assert job["state"] == "succeeded" and job["error"] is None
    told = {"kind": "processing", "video": ObjectId(video)}
    poll(lambda: db.notifications.count_documents(told) == 1, 20, "one notice")


def test_killed_database_costs_no_video(platform, alice, db):
    """kill -9 of mongod while jobs run, and its return with its data; meanwhile nothing is taken in."""
    late = alice.make_video()
    videos = [start(alice) for _ in range(3)]  # one renders, one is stored, one waits
    await_step(alice, videos[0][1], "rendering", "finishing", "done")
    platform.stack.kill("mongo")
    try:
        spooled = len(platform.spool)
        answer = alice.upload(late)
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1
        assert len(platform.spool) <= spooled
    finally:
        platform.stack.restart("mongo")
    poll(lambda: alice.upload(late).status_code == 202, 20, "accepted again")
    for video in (late, *(video for video, _ in videos)):
        assert_played_once(platform, alice, video, seconds=90)
        assert_one_effect(db, video)


def test_primary_that_steps_down_costs_no_video(platform, alice, db):
    """Writes are refused for a while, and what was open is broken off; then it is elected again."""
    videos = [start(alice) for _ in range(2)]
    await_step(alice, videos[0][1], "storing", "rendering", "finishing", "done")
    address = platform.stack.env["MONGO_URI"].partition("//")[2].partition("/")[0]
    with MongoClient(f"mongodb://{address}", directConnection=True) as node:
        is_primary = lambda: node.admin.command("hello")["isWritablePrimary"]  # noqa: E731
        for _ in range(2):
            node.admin.command("replSetStepDown", 2, secondaryCatchUpPeriodSecs=0, force=True)
            assert not is_primary()
            poll(is_primary, 30, "elected again")
    for video, _ in videos:
        assert_played_once(platform, alice, video, seconds=90)
        assert_one_effect(db, video)


def test_database_killed_in_the_middle_of_an_upload_frees_the_video(platform, alice):
    video = alice.make_video()
    with send_half(platform, alice, video) as line:
        poll(lambda: alice.video(video)["status"] == "UPLOADING" and platform.spool, 10, "UPLOADING")
        platform.stack.kill("mongo")
        await_trouble(platform)
        content = CLIP.read_bytes()
        line.sendall(content[len(content) // 2 :] + b"\r\n--cut--\r\n")
        assert b" 503 " in line.recv(4096).split(b"\r\n")[0]
        platform.stack.restart("mongo")
    poll(lambda: alice.video(video)["status"] == "DRAFT", 30, "DRAFT again")
    poll(lambda: not platform.spool, 10, "an empty spool")
    assert alice.upload(video).status_code == 202
    assert_played_once_at(platform, alice, video, 2)


def test_upload_while_the_broker_is_down_is_kept(platform, alice):
    platform.stack.kill("redis")
    try:
        began = time.monotonic()
        video, answer = start(alice)
        assert time.monotonic() - began < patience(5)
    finally:
        platform.stack.restart("redis")
    assert_played_once(platform, alice, video, seconds=90)


def test_broker_that_lost_everything_costs_no_video(platform, alice):
    video, answer = start(alice)
    platform.stack.kill("redis")
    shutil.rmtree(platform.folder / "redis")
    platform.stack.restart("redis")
    again, _ = start(alice)
    assert_played_once(platform, alice, video, seconds=90)
    assert_played_once(platform, alice, again, seconds=90)


def test_killed_beat_and_two_beats_at_once_do_no_harm(platform, alice, db):
    platform.stack.kill("beat")
    platform.stack.restart("beat")
    beat = [sys.executable, "-m", "celery", "-A", "tasks.app", "beat"]
    second = subprocess.Popen(
        beat, cwd=ROOT, env=platform.environ, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        video, answer = start(alice)
        assert_played_once(platform, alice, video)
        assert db.jobs.count_documents({"key": f"process:{video}:1"}) == 1
    finally:
        second.kill()
        second.wait()


@pytest.mark.parametrize("way", ["flushed", "killed", "killed and emptied"])
def test_schedule_goes_on_when_the_broker_lost_its_data(platform, way):
    """The same beat and the same worker: no supervisor has to start them again."""
    platform.stand_up()
    parts = [platform.stack.processes[name] for name in ("beat", "worker")]
    before = platform.log("beat").count("written anew")
    with redis.Redis.from_url(platform.stack.env["REDIS_URL"]) as client:
        poll(lambda: client.exists(WORKER_SEEN), 30, "a schedule at work")
        if way == "flushed":
            client.flushall()
        else:
            platform.stack.kill("redis")
            if way == "killed and emptied":
                shutil.rmtree(platform.folder / "redis")
            platform.stack.restart("redis")
        client.delete(WORKER_SEEN)
        poll(lambda: client.exists(WORKER_SEEN), 60, "the schedule at work again")
    assert [part.returncode for part in parts] == [None, None]
    if way != "killed":
        poll(lambda: platform.log("beat").count("written anew") > before, 30, "a line in the log")


def send_half(platform, alice, video):
    """Begin an upload over a socket of our own, and stop halfway."""
    content = CLIP.read_bytes()
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    tail = b"\r\n--cut--\r\n"
    where = urlsplit(platform.base)
    line = socket.create_connection((where.hostname, where.port))
    line.sendall(
        f"POST /api/v1/videos/{video}/upload HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Authorization: Bearer {alice.token}\r\nContent-Type: multipart/form-data; boundary=cut\r\n"
        f"Content-Length: {len(head) + len(content) + len(tail)}\r\n\r\n".encode()
    )
    line.sendall(head + content[: len(content) // 2])
    return line


def test_half_an_upload_leaves_nothing_and_frees_the_video(platform, alice):
    video = alice.make_video()
    line = send_half(platform, alice, video)
    poll(lambda: alice.video(video)["status"] == "UPLOADING", 10, "UPLOADING")
    line.close()
    poll(lambda: alice.video(video)["status"] == "DRAFT", 10, "DRAFT again")
    poll(lambda: not platform.spool, 5, "an empty spool")
    assert alice.upload(video).status_code == 202
    assert_played_once_at(platform, alice, video, 2)


def test_api_killed_in_the_middle_of_an_upload_frees_the_video(platform, alice):
    video = alice.make_video()
    with send_half(platform, alice, video):
        poll(lambda: alice.video(video)["status"] == "UPLOADING" and platform.spool, 10, "UPLOADING")
        platform.stack.kill("api")
        platform.stack.restart("api")
    poll(lambda: alice.video(video)["status"] == "DRAFT", 20, "DRAFT again")
    assert alice.video(video)["status_detail"]["code"] == "upload_interrupted"
    poll(lambda: not platform.spool, 5, "an empty spool")
    assert alice.upload(video).status_code == 202
    assert_played_once_at(platform, alice, video, 2)


def assert_played_once_at(platform, alice, video, version):
    assert alice.await_end(video)["status"] == "READY"
    assert stored_files(platform, video) == [f"marquee/{video}/{version}"]


def test_frozen_worker_cannot_overwrite_its_successor(platform, alice, db):
    """SIGSTOP past the lease, a successor finishes, SIGCONT: the thawed one changes nothing."""
    video, answer = start(alice)
    key = {"key": f"process:{video}:1"}
    job = poll(lambda: db.jobs.find_one({**key, "state": "running"}), 10, "a running job")
    child = int(job["worker"].rpartition(":")[2])
    os.kill(child, signal.SIGSTOP)
    try:
        shown = assert_played_once(platform, alice, video)
        after = db.jobs.find_one(key)
        assert after["fence"] > job["fence"]
    finally:
        os.kill(child, signal.SIGCONT)
    poll(
        lambda: "lease lost" in platform.log("worker") or db.jobs.find_one(key) == after,
        10,
        "the thawed worker",
    )
    assert alice.video(video)["media"] == shown["media"]
    assert db.jobs.find_one(key)["fence"] == after["fence"]


def test_kill_between_commit_and_enqueue_is_made_good_by_the_sweep(platform, alice, db):
    """The process dies after the transaction and before any worker hears of the job."""
    video = alice.make_video()
    command = [sys.executable, "-m", "tests.faults.dies_before_enqueue", video, str(CLIP)]
    died = subprocess.run(command, cwd=ROOT, env={**os.environ, **platform.stack.env}, check=False)
    assert died.returncode == -signal.SIGKILL
    assert db.videos.find_one({"_id": ObjectId(video)})["status"] == "PROCESSING"
    assert_played_once(platform, alice, video)
