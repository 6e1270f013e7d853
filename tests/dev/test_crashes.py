"""kill -9 of each process in the middle of a video: it becomes READY all the same, and once."""

import pytest
from pymongo import MongoClient

from dev.client import Client
from dev.clips import find_clip
from dev.datadir import free_port
from dev.errors import StackError
from tests.dev.copies import Copy, until
from tests.patience import patience

PASSWORD = "correct-horse-battery"


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    """A whole copy with short leases; yields the copy, its URL, and a signed-in owner with a channel."""
    port = free_port()
    environ = {"JOB_LEASE_SECONDS": "5", "SWEEP_SECONDS": "1", "RATE_LIMITS": "off"}
    with Copy(
        tmp_path_factory.mktemp("crashes") / "data", "--port", str(port), parts="", environ=environ
    ) as copy:
        copy.wait_for("ready: ")
        guest = Client(f"http://127.0.0.1:{port}")
        account = {"username": "alice", "email": "alice@example.org", "password": PASSWORD}
        guest.call("POST", "/auth/register", account)
        owner = guest.sign_in("alice", PASSWORD)
        owner.channel = owner.call("POST", "/channels", {"handle": "crashes", "name": "Crashes"})["_id"]
        yield copy, owner


def status_of(client, video):
    """The status, or None while the API is away."""
    try:
        return client.call("GET", f"/videos/{video}")["status"]
    except StackError:
        return None


@pytest.mark.parametrize("part", ["worker", "api", "cloudinary"])
def test_a_video_becomes_ready_once_though_a_part_was_killed(platform, part):
    copy, owner = platform
    draft = {"channel": owner.channel, "title": f"Despite {part}", "visibility": "public"}
    video = owner.call("POST", "/videos", draft)["_id"]
    owner.upload(f"/videos/{video}/upload", find_clip("bigbuckbunny.mp4"))
    until(lambda: status_of(owner, video) == "PROCESSING")
    copy.kill(part)
    copy.wait_for(f"{part} ended with signal 9; started again")
    until(lambda: status_of(owner, video) in ("READY", "FAILED"), 90)
    assert status_of(owner, video) == "READY"
    with MongoClient(copy.env()["MONGO_URI"]) as client:
        jobs = list(client.get_default_database().jobs.find({"type": "process"}))
    assert [job["state"] for job in jobs if str(job["subject"]["id"]) == video] == ["succeeded"]
    assert owner.call("GET", f"/videos/{video}/playback")["hls"]


def test_a_killed_schedule_goes_on_within_seconds(platform):
    copy, _ = platform
    copy.kill("beat")
    log = copy.data_dir / "logs" / "beat.log"
    before = log.read_text().count("Sending due task")
    copy.wait_for("beat ended with signal 9; started again")
    until(lambda: log.read_text().count("Sending due task") > before + 1, 15)


def test_a_video_becomes_ready_though_everything_was_killed(platform):
    copy, owner = platform
    draft = {"channel": owner.channel, "title": "Despite all", "visibility": "public"}
    video = owner.call("POST", "/videos", draft)["_id"]
    owner.upload(f"/videos/{video}/upload", find_clip("bikes.mp4"))
    copy.process.kill()
    copy.process.wait(patience(10))
    port = owner.url.rsplit(":", 1)[1]
    environ = {"JOB_LEASE_SECONDS": "5", "SWEEP_SECONDS": "1", "RATE_LIMITS": "off"}
    with Copy(copy.data_dir, "--port", port, parts="", environ=environ) as again:
        again.wait_for("ready: ")
        until(lambda: status_of(owner, video) in ("READY", "FAILED"), 90)
        assert status_of(owner, video) == "READY"
        assert again.end() == 0
        assert again.pids() == []
