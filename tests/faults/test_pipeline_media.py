"""A Cloudinary that fails in every way it can: one file, the right end."""

import time

import pytest
import requests
from pymongo import MongoClient

from clients.media_chunks import CHUNK_BYTES
from tests.faults.pipeline_proxy import FaultProxy
from tests.films import padded
from tests.patience import patience
from tests.platform import SMALL_CLIP, Platform, poll
from tests.stored import stored_names

JSON = [("Content-Type", "application/json")]


@pytest.fixture(scope="module")
def calls():
    """Stands between us and Cloudinary, its API and its delivery."""
    with FaultProxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def notices():
    """Stands between Cloudinary's webhooks and us."""
    with FaultProxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def platform(tmp_path_factory, calls, notices):
    def between(env):
        calls.target, env["MEDIA_API_URL"] = env["MEDIA_API_URL"], calls.url
        env["MEDIA_DELIVERY_URL"] = calls.url
        notices.target, env["MEDIA_WEBHOOK_URL"] = env["PUBLIC_URL"], notices.url

    with Platform(tmp_path_factory.mktemp("media"), between=between) as running:
        yield running


@pytest.fixture(scope="module")
def alice(platform):
    return platform.sign_up("alice").make_channel("alice")


@pytest.fixture(scope="module")
def db(platform):
    with MongoClient(platform.stack.env["MONGO_URI"]) as client:
        yield client.get_default_database()


@pytest.fixture(autouse=True)
def well_behaved(calls, notices):
    calls.clear()
    notices.clear()


def start(alice):
    video = alice.make_video()
    assert alice.upload(video, SMALL_CLIP).status_code == 202
    return video


def assert_one_film(platform, alice, video, seconds=60):
    shown = alice.await_end(video, seconds)
    assert shown["status"] == "READY", shown["status_detail"]
    assert stored_names(platform, video) == [f"marquee/{video}/1"]
    urls = alice.get(f"/videos/{video}/playback").json()
    assert requests.get(urls["hls"], timeout=patience(20)).status_code == 200
    poll(lambda: not platform.spool, 10, "an empty spool")


@pytest.mark.parametrize(
    "deed",
    [
        (500, JSON),
        (502, [("Content-Type", "text/html")]),
        (429, [*JSON, ("Retry-After", "2")]),
        (420, JSON),
        (423, JSON),
        "drop",
        "lose",
    ],
    ids=["500", "502", "429", "420", "423", "drop", "lose"],
)
def test_trouble_with_the_upload_costs_no_film(platform, alice, db, calls, deed):
    calls.add("/video/upload", 1, deed)
    video = start(alice)
    assert_one_film(platform, alice, video)
    job = db.jobs.find_one({"key": f"process:{video}:1"})
    assert job["attempts"] <= 1 and job["waits"] >= 1, "an outage is no failed attempt"
    if deed == "lose":
        assert len([path for path in calls.seen if path.endswith("/video/upload")]) == 1, (
            "it was not sent again"
        )


def test_trouble_in_the_middle_of_a_large_file_costs_one_chunk(platform, alice, calls, tmp_path):
    """Three chunks; the answer to the second is lost: what was confirmed before is not sent again."""
    calls.add("/video/upload", 1, None)
    calls.add("/video/upload", 1, "lose")
    film = padded(tmp_path / "film.mp4", 2 * CHUNK_BYTES + 1_000_000)
    video = alice.make_video()
    assert alice.upload(video, film).status_code == 202
    assert_one_film(platform, alice, video)
    assert len([path for path in calls.seen if path.endswith("/video/upload")]) == 4


@pytest.mark.parametrize("deed", [(500, JSON), (420, JSON), "drop"], ids=["500", "420", "drop"])
def test_trouble_with_a_look_costs_no_film(platform, alice, calls, deed):
    calls.add("/resources/video/authenticated/", 2, deed)
    assert_one_film(platform, alice, start(alice))


def test_long_outage_opens_the_breaker_and_ends_well(platform, alice, calls):
    calls.add("/", 10_000, (503, JSON))
    video = start(alice)
    poll(lambda: len(calls.seen) >= 2, 30, "tries")
    assert alice.video(video)["status"] == "PROCESSING"
    calls.clear()
    assert_one_film(platform, alice, video, seconds=90)


def test_refused_file_fails_and_leaves_nothing(platform, alice, calls):
    calls.add("/video/upload", 1, (400, JSON))
    video = start(alice)
    shown = alice.await_end(video)
    assert shown["status"] == "FAILED" and shown["status_detail"]["code"] == "media_refused"
    poll(lambda: not platform.spool and not stored_names(platform, video), 15, "nothing left")


def test_webhook_that_never_comes_is_made_up_for_by_the_timer(platform, alice, notices):
    notices.add("/hooks/cloudinary", 1000, "hold")
    assert_one_film(platform, alice, start(alice))


def send_directly(alice):
    video, content = alice.make_video(), SMALL_CLIP.read_bytes()
    form = alice.post(f"/videos/{video}/uploads", {"mode": "direct", "bytes": len(content)}).json()
    file = {"file": ("a.mp4", content)}
    assert (
        requests.post(form["upload_url"], data=form["fields"], files=file, timeout=patience(30)).status_code
        == 200
    )
    return video


def test_direct_upload_is_found_by_the_timer_when_its_webhook_never_comes(platform, alice, notices):
    notices.add("/hooks/cloudinary", 1000, "hold")
    assert_one_film(platform, alice, send_directly(alice))


def test_delivery_in_trouble_costs_a_direct_upload_at_most_its_storyboard(platform, alice, calls):
    calls.add("/local/video/authenticated/", 3, (500, JSON))
    video = send_directly(alice)
    assert_one_film(platform, alice, video)
    assert alice.get(f"/videos/{video}/playback").json()["storyboard"] is None


def test_webhook_that_comes_twice_has_one_effect(platform, alice, db, notices):
    notices.add("/hooks/cloudinary", 1000, "twice")
    video = start(alice)
    assert_one_film(platform, alice, video)
    assert db.jobs.find_one({"key": f"process:{video}:1"})["state"] == "succeeded"


def test_webhook_that_comes_late_changes_nothing(platform, alice, notices):
    notices.add("/hooks/cloudinary", 1000, "hold")
    video = start(alice)
    assert_one_film(platform, alice, video)
    before = alice.video(video)
    poll(lambda: notices.held, 20, "a held webhook")
    for request in notices.held:
        assert notices.forward(*request)[0] == 200
    assert alice.video(video)["_etag"] == before["_etag"]


def test_webhook_that_comes_before_the_upload_is_recorded_is_not_lost(platform, alice, db, calls, notices):
    """The rendering is done while the upload call still hangs: the hint must survive."""
    calls.add("/video/upload", 1, "lose")
    began = time.monotonic()
    video = start(alice)
    assert_one_film(platform, alice, video)
    assert time.monotonic() - began < patience(40)


def test_forged_webhook_changes_nothing(platform, alice, db):
    platform.stack.kill("worker")
    try:
        video = start(alice)
        forged = {"notification_type": "eager", "public_id": f"marquee/{video}/1", "eager": []}
        headers = {"X-Cld-Timestamp": str(int(time.time())), "X-Cld-Signature": "0" * 40}
        answer = platform.call("POST", "/hooks/cloudinary", json=forged, headers=headers)
        assert answer.status_code == 403
        assert "hints" not in db.jobs.find_one({"key": f"process:{video}:1"})
    finally:
        platform.stack.restart("worker")
    assert_one_film(platform, alice, video)
