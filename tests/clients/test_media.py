"""The media store beside a real local Cloudinary."""

import fnmatch
import hashlib
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

import pytest
import requests
from bson import ObjectId

from clients.breaker import Breaker
from clients.media import MediaRefused, MediaStore, MediaUnavailable, wait_told
from clients.media_chunks import CHUNK_BYTES, Sending
from dev.stack import Stack
from features.uploads.media_plan import plan
from settings import BadSettings, Settings
from tests.films import padded
from tests.patience import patience
from tests.platform import CLIPS, poll

CLIP = CLIPS / "carphone_distorted.mp4"
STILL = "c_limit,h_90,so_0.5,w_160/jpg"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("media"), parts=("cloudinary",)) as stack:
        yield Settings.from_env(stack.env)


@pytest.fixture
def media(settings):
    return MediaStore(settings)


@pytest.fixture
def name(media):
    return media.public_id(ObjectId(), 1)


def store(media, name, eager=()):
    return media.store(CLIP, name, list(eager))


def test_file_is_stored_with_its_digest(media, name):
    answer = store(media, name)
    assert answer["etag"] == hashlib.md5(CLIP.read_bytes()).hexdigest()
    assert media.look_up(name)["type"] == "authenticated"


def test_same_name_again_replaces_the_file(media, name):
    store(media, name)
    store(media, name)
    prefix = name.rpartition("/")[0]
    assert [one for one, _ in media.names(prefix, "video")] == [name]


def test_deleted_file_is_gone_and_deleting_again_is_fine(media, name):
    store(media, name)
    assert media.destroy(name) is True
    assert media.look_up(name) is None
    assert media.destroy(name) is False


def test_url_works_until_it_expires(media, name):
    version, now = store(media, name, [STILL])["version"], int(time.time())
    good, stale = (media.url(name, version, STILL, now + seconds) for seconds in (60, -1))
    poll(lambda: requests.get(good, timeout=patience(20)).content[:2] == b"\xff\xd8", 20, "the picture made")
    assert requests.get(stale, timeout=patience(20)).status_code == 401


def token_of(url):
    return unquote(urlsplit(url).query)


def test_token_of_one_file_opens_no_other(media, name):
    other, until = media.public_id(ObjectId(), 1), int(time.time()) + 60
    url = media.url(name, store(media, name, [STILL])["version"], STILL, until)
    elsewhere = media.url(other, store(media, other, [STILL])["version"], STILL, until)
    swapped = elsewhere.partition("?")[0] + "?" + urlsplit(url).query
    poll(
        lambda: requests.get(elsewhere, timeout=patience(20)).status_code == 200, 20, "the other picture made"
    )
    assert requests.get(swapped, timeout=patience(20)).status_code == 401


def test_nothing_is_signed_for_longer_than_playback(media, settings):
    url = media.url("marquee/a/1", 7, STILL, int(time.time()) + 10**8)
    left = int(re.search(r"exp=(\d+)", token_of(url))[1]) - time.time()
    assert settings.playback_seconds - 60 < left <= settings.playback_seconds


def test_token_of_a_file_has_no_access_list(media):
    assert "acl=" not in token_of(media.url("marquee/a/1", 7, "c_limit,w_9/mp4", 1))


def test_token_of_a_stream_lists_its_playlists_and_segments(media):
    base = "/video/authenticated"
    acl = re.search(r"acl=(.*?)~", token_of(media.url("marquee/a/1", 7, "sp_sd/m3u8", 1)))[1].split("!")
    assert [one[one.index(base) :] for one in acl] == [
        f"{base}/sp_sd/v7/marquee/a/1.m3u8",
        f"{base}/sp_sd/v7/marquee/a/1.hls/*",
        f"{base}/*,*/v7/marquee/a/1.m3u8",
        f"{base}/*,*/v7/marquee/a/1.ts",
    ]


@pytest.mark.parametrize("path", ["v7/marquee/a/1.ts", "fl_attachment/v7/marquee/a/1.ts", "sp_hd/v7/marquee/a/1.m3u8",
                                  "sp_sd/v8/marquee/a/1.m3u8", "c_limit,w_9/v7/marquee/a/1.mp4",
                                  "c_limit,w_9/v7/marquee/a/11.ts"])  # fmt: skip
def test_token_of_a_stream_fits_no_other_path(media, path):
    """As Cloudinary matches them: `*` is any characters. Not even an original that is itself a transport stream."""
    acl = re.search(r"acl=(.*?)~", token_of(media.url("marquee/a/1", 7, "sp_sd/m3u8", 1)))[1].split("!")
    whole = acl[0].partition("/sp_sd/")[0] + "/" + path
    assert not any(fnmatch.fnmatchcase(whole, one) for one in acl)


@pytest.mark.parametrize("folder", ["*", "a/*", "a!b", "a?", "", "/a", "a/", "a//b"])
def test_folder_has_no_sign_that_stands_for_others(settings, folder):
    with pytest.raises(BadSettings, match="MEDIA_PREFIX"):
        Settings.from_env({"CLOUDINARY_URL": settings.cloudinary_url, "MEDIA_PREFIX": folder})


def test_sending_can_be_stopped_between_chunks(media, name):
    def stop(sending, share):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        media.store(CLIP, name, [], stop)
    assert media.look_up(name) is None


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A film of three chunks."""
    return padded(tmp_path_factory.mktemp("long") / "film.mp4", 2 * CHUNK_BYTES + 1_000_000)


def stopped(media, name, path, after):
    """Send `after` chunks, then stop; return what was noted last."""
    noted = []

    def note(sending, share):
        noted.append(sending)
        if len(noted) > after:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        media.store(path, name, [], note)
    return noted[-1]


@pytest.mark.parametrize("after", [0, 1, 2])
def test_later_attempt_sends_only_what_is_missing(media, name, long, after):
    begun, noted = stopped(media, name, long, after), []
    assert begun.sent == after * CHUNK_BYTES
    answer = media.store(long, name, [], lambda sending, share: noted.append(sending), begun)
    assert [one.sent for one in noted] == [n * CHUNK_BYTES for n in range(after, 3)]
    assert answer["etag"] == hashlib.md5(long.read_bytes()).hexdigest()


def test_upload_that_cloudinary_has_forgotten_begins_anew(media, name, long):
    noted = []
    answer = media.store(
        long, name, [], lambda sending, share: noted.append(sending.sent), Sending("nobody", CHUNK_BYTES)
    )
    assert noted == [CHUNK_BYTES, 2 * CHUNK_BYTES, 0, CHUNK_BYTES, 2 * CHUNK_BYTES]
    assert answer["etag"] == hashlib.md5(long.read_bytes()).hexdigest()


def test_wrong_secret_is_a_refusal_not_an_outage(settings, name):
    wrong = settings.cloudinary_url.replace("@", "0@")
    with pytest.raises(MediaRefused):
        store(MediaStore(replace(settings, cloudinary_url=wrong)), name)
    MediaStore(settings)


def test_dead_store_is_an_outage_and_the_breaker_spares_it(settings, name):
    media = MediaStore(replace(settings, media_api_url="http://127.0.0.1:1"))
    try:
        for _ in range(5):
            with pytest.raises(MediaUnavailable):
                media.destroy(name)
        began = time.monotonic()
        with pytest.raises(MediaUnavailable) as refusal:
            media.destroy(name)
        assert time.monotonic() - began < patience(0.01) and refusal.value.retry_after > 0
    finally:
        MediaStore(settings)


def test_breaker_closes_after_a_success():
    breaker = Breaker(part="test", failures=2, pause_seconds=60)
    breaker.failed()
    assert not breaker.wait_seconds
    breaker.failed()
    assert breaker.wait_seconds > 0
    breaker.worked()
    assert not breaker.wait_seconds


def test_used_up_quota_stops_the_questions_until_its_reset(media, name):
    class Answer(dict):
        rate_limit_remaining = 0
        rate_limit_reset_at = None

    media.mind_quota(Answer())
    with pytest.raises(MediaUnavailable) as refusal:
        media.look_up(name)
    assert 0 < refusal.value.retry_after <= 60


def test_rate_limit_tells_until_when():
    soon = (datetime.now(UTC) + timedelta(seconds=90)).strftime("%Y-%m-%d %H:%M:%S")
    told = wait_told(f"Rate Limit Exceeded. Limit of 500 api operations reached. Try again on {soon} UTC")
    assert told == pytest.approx(90, abs=2)
    assert wait_told("slow down") == 10
    assert wait_told("Try again on 2001-01-01 00:00:00 UTC") == 1


@pytest.mark.parametrize(
    ("size", "names", "profile"),
    [
        ((1920, 1080), ["360p", "720p", "1080p"], "full_hd_lean"),
        ((3840, 2160), ["360p", "720p", "1080p"], "full_hd_lean"),
        ((1280, 720), ["360p", "720p"], "hd_lean"),
        ((640, 272), ["240p", "360p"], "sd"),
        ((176, 144), ["240p"], "sd"),
        ((720, 1280), ["360p", "720p"], "hd_lean"),
    ],
)
def test_plan_fits_the_film(size, names, profile):
    made = plan(*size, duration=10)
    assert [one.name for one in made if one.kind == "mp4"] == names
    assert [one.name for one in made if one.kind == "hls"] == [profile]
    assert all(one.width <= size[0] and one.height <= size[1] for one in made), "nothing is enlarged"


def test_form_of_a_direct_upload_carries_no_secret(settings, media):
    form = media.direct_form(ObjectId())
    secret = urlsplit(settings.cloudinary_url).netloc.rpartition("@")[0].partition(":")[2]
    assert secret not in str(form)
    assert form["fields"]["type"] == "authenticated" and "signature" in form["fields"]
