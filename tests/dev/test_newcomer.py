"""What a newcomer does: `make run`, `make demo`, and the tour of the README as pasted."""

import re
import subprocess
import sys

import pytest

from dev.client import Client
from dev.datadir import free_port
from tests.dev.copies import ROOT, Copy
from tests.patience import patience


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    """A whole copy that fills its demo; yields the copy and its URL."""
    port = free_port()
    with Copy(tmp_path_factory.mktemp("newcomer") / "data", "--port", str(port), parts="", demo=True) as copy:
        copy.wait_for("ready: ")
        yield copy, f"http://127.0.0.1:{port}"
        assert copy.end() == 0
        assert copy.pids() == []


def wait_for_demo(copy):
    assert copy.wait_for(r"demo .*(not filled|filled in)", 240)[1] == "filled in", copy.text()


def test_the_first_start_fills_a_demo_of_films_that_play(platform):
    copy, url = platform
    wait_for_demo(copy)
    videos = Client(url).call("GET", "/videos")["_items"]
    assert {video["status"] for video in videos} == {"READY"}
    assert len(videos) == 2
    for video in videos:
        assert Client(url).call("GET", f"/videos/{video['_id']}/playback")["hls"]


def test_ready_does_not_wait_for_the_demo(platform):
    copy, _ = platform
    wait_for_demo(copy)
    assert copy.text().index("ready: ") < copy.text().index("uploading")


def test_the_tour_shows_every_request_and_the_playback_url(platform):
    _, url = platform
    tour = subprocess.run(
        [sys.executable, "run.py", "demo", "--url", url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience(240),
    )
    assert tour.returncode == 0, tour.stdout + tour.stderr
    for line in ("POST /api/v1/auth/register", "POST /api/v1/videos", "GET /api/v1/videos/", "#EXTM3U"):
        assert line in tour.stdout
    shown = re.findall(r'"(?:password|access_token|refresh_token)": "([^"]*)"', tour.stdout)
    assert shown and all(len(secret) <= 9 for secret in shown), "a secret was printed in full"
    assert re.search(r"play it: http://\S+m3u8", tour.stdout)


def test_the_tour_of_the_readme_works_as_pasted(platform):
    _, url = platform
    pasted = re.search(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    pasted = pasted.replace("http://127.0.0.1:8000", url)
    answer = subprocess.run(
        ["timeout", "240", "bash", "-eu", "-c", pasted],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert '"hls"' in answer.stdout.splitlines()[-1]
