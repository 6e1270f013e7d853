"""The journey of a real film: from an account to a picture on the screen, through every real part."""

import shutil
import subprocess
from pathlib import Path
from urllib.parse import urljoin

import imageio_ffmpeg
import pytest
import requests
from playwright.sync_api import sync_playwright

from tests.patience import patience
from tests.platform import CLIP, CLIP_FRAMES, CLIP_SECONDS, CLIP_SIZE, poll


@pytest.fixture(scope="module")
def platform(journeys):
    return journeys


@pytest.fixture(scope="module")
def alice(platform):
    return platform.sign_up("alice").make_channel("alice")


@pytest.fixture(scope="module")
def film(alice):
    """A video that went through the whole pipeline."""
    video = alice.make_video("Big Buck Bunny")
    answer = alice.upload(video)
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "PROCESSING"
    return alice.await_end(video, seconds=60)


@pytest.fixture(scope="module")
def urls(alice, film):
    answer = alice.get(film["_links"]["playback"]["href"])
    assert answer.status_code == 200, answer.text
    return answer.json()


def entries(url):
    """Return the URLs that a playlist names."""
    answer = requests.get(url, timeout=patience(20))
    assert answer.status_code == 200, answer.text
    return [urljoin(url, line) for line in answer.text.splitlines() if line and not line.startswith("#")]


def decode(url):
    """Decode a stream with ffmpeg; return (frames, seconds) of the picture."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", url, "-map", "0:v:0"]
    command += ["-f", "null", "-progress", "-", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience(60))
    assert done.returncode == 0 and not done.stderr, done.stderr
    facts = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return int(facts["frame"]), int(facts["out_time_us"]) / 1e6


def test_film_becomes_ready_with_its_measures(film):
    assert film["status"] == "READY", film["status_detail"]
    assert abs(film["duration"] - CLIP_SECONDS) < 0.1
    assert (film["width"], film["height"]) == CLIP_SIZE
    assert film["media"]["bytes"] == CLIP.stat().st_size
    assert [one["name"] for one in film["renditions"]] == ["360p", "720p"]
    assert len(film["thumbnails"]) == 2 and film["thumbnail"]


def test_every_segment_of_every_variant_is_there(urls):
    variants = entries(urls["hls"])
    assert len(variants) == 3
    for variant in variants:
        segments = entries(variant)
        assert segments
        for segment in segments:
            assert requests.get(segment, timeout=patience(20)).content[:1] == b"G", "an MPEG transport stream"


def test_stream_decodes_to_all_frames(urls):
    frames, seconds = decode(urls["hls"])
    assert abs(frames - CLIP_FRAMES) <= 1
    assert abs(seconds - CLIP_SECONDS) <= 0.05


def test_file_decodes_to_all_frames(urls):
    frames, seconds = decode(urls["mp4"])
    assert abs(frames - CLIP_FRAMES) <= 1
    assert abs(seconds - CLIP_SECONDS) <= 0.05


def test_thumbnail_is_a_picture(alice, film, urls):
    assert requests.get(urls["thumbnail"], timeout=patience(20)).content[:2] == b"\xff\xd8"
    assert alice.get(film["thumbnail"]).content[:2] == b"\xff\xd8"


def test_nothing_plays_without_a_token(urls):
    for name in ("hls", "mp4", "thumbnail"):
        assert requests.get(urls[name].partition("?")[0], timeout=patience(20)).status_code == 401


def test_token_does_not_open_the_original(urls):
    original = urls["mp4"].replace("c_limit,h_720,vc_h264,w_1280/", "")
    assert original != urls["mp4"]
    assert requests.get(original, timeout=patience(20)).status_code == 401


def test_stranger_sees_it_only_once_it_is_public(platform, alice, film):
    bob = platform.sign_up("bob")
    assert bob.get(f"/videos/{film['_id']}/playback").status_code == 404
    published = alice.post(f"/videos/{film['_id']}/publish")
    assert published.status_code == 200 and published.json()["published_at"]
    assert bob.get(f"/videos/{film['_id']}/playback").status_code == 200
    listed = platform.call("GET", "/videos").json()["_items"]
    assert film["_id"] in [one["_id"] for one in listed]


def test_nothing_is_left_in_the_spool(platform, film):
    poll(lambda: not platform.spool, 5, "an empty spool")


def test_newer_file_replaces_the_older_one_without_a_gap(platform, alice, film):
    path = f"/videos/{film['_id']}"
    before = alice.get(f"{path}/playback").json()["mp4"]
    assert alice.upload(film["_id"], name="second.mp4").status_code == 202
    while alice.video(film["_id"])["media"]["public_id"] == film["media"]["public_id"]:
        assert requests.get(before, timeout=patience(20)).status_code == 200, (
            "the old file plays until the new one is READY"
        )
        assert alice.video(film["_id"])["status"] == "READY"
    after = alice.get(f"{path}/playback").json()["mp4"]
    assert requests.get(after, timeout=patience(20)).status_code == 200
    poll(lambda: requests.get(before, timeout=patience(20)).status_code == 404, 20, "the old file deleted")


PLAYER = """([url, way]) => {
  const video = document.querySelector("video");
  video.onerror = () => { document.title = "video: " + video.error.message; };
  if (way === "hls.js") {
    const hls = new Hls();
    hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) document.title = "hls.js: " + data.details; });
    hls.loadSource(url);
    hls.attachMedia(video);
  } else {
    video.src = url;
  }
  video.play();
}"""
HLS_JS = Path(__file__).with_name("node") / "node_modules/hls.js/dist/hls.min.js"
# Chromium asks the user before a page may fetch from this machine.
FLAGS = [
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessRestrictions",
]


@pytest.mark.browser
@pytest.mark.parametrize("way", ["hls.js", "native"])
def test_film_plays_in_a_browser(alice, film, way):
    """Chromium plays HLS itself, and through hls.js, which `make test` installs where there is npm."""
    chromium = shutil.which("chromium")
    if not chromium or (way == "hls.js" and not HLS_JS.exists()):
        pytest.skip("there is no Chromium, or no npm to install hls.js with")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            page = browser.new_page()
            page.set_content("<video muted playsinline></video>")
            if way == "hls.js":
                page.add_script_tag(path=HLS_JS)
            # Asked for now: the file may have been replaced since.
            urls = alice.get(film["_links"]["playback"]["href"]).json()
            page.evaluate(PLAYER, [urls["hls"], way])
            page.wait_for_function(
                "document.title || document.querySelector('video').currentTime > 1",
                timeout=patience(30) * 1000,
            )
            assert page.title() == ""
            assert page.evaluate("document.querySelector('video').videoWidth") > 0
        finally:
            browser.close()
