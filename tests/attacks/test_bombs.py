"""Decompression and image bombs: refused or drawn in bounded time and memory, measured in a process of their own."""

import gzip
import json
import subprocess
import sys
import zlib

import pytest

from tests.attacks.bombs import PICTURES, jpeg, png
from tests.audience import make_video
from tests.platform import ROOT

MEGABYTE = 1024 * 1024
# Beside what the process has anyway. 25 million pixels, the most we take, are 100 MB; an animated WebP holds three of them.
MOST_MEMORY = 320 * MEGABYTE
MOST_SECONDS = 3.0

ALONE = """
import json, sys, time, warnings
from services.pictures import BadPicture, redraw

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

redraw(open(sys.argv[2], "rb").read())
data, before, began = open(sys.argv[1], "rb").read(), peak(), time.process_time()
try:
    answer = {"bytes": len(redraw(data))}
except BadPicture as error:
    answer = {"refused": str(error)}
print(json.dumps({**answer, "memory": peak() - before, "seconds": time.process_time() - began}))
"""


@pytest.fixture(scope="module")
def draw(tmp_path_factory):
    """Redraw a picture in a process of its own; return what came of it, its memory and CPU time."""
    folder = tmp_path_factory.mktemp("bombs")
    (folder / "plain").write_bytes(jpeg())

    def run(data):
        (folder / "bomb").write_bytes(data)
        command = [sys.executable, "-c", ALONE, str(folder / "bomb"), str(folder / "plain")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("kind", PICTURES)
def test_picture_is_refused_or_drawn_in_bounded_memory_and_time(draw, kind):
    data = PICTURES[kind]()
    assert len(data) <= 8 * MEGABYTE
    found = draw(data)
    assert found["memory"] < MOST_MEMORY, found
    assert found["seconds"] < MOST_SECONDS, found
    assert "refused" in found or found["bytes"] < MEGABYTE


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", PICTURES)
def test_picture_bombs_are_a_refusal_and_no_error(alice, film, kind):
    data = PICTURES[kind]()
    answer = alice.call("PUT", f"/videos/{film}/thumbnail", data=data, content_type="image/png")
    assert answer.status_code == (202 if kind in FIT else 415), answer.text


FIT = {"a PNG just below the limit", "a JPEG with 7 MB of EXIF", "a JPEG whose EXIF claims gigabytes",
       "a JPEG whose EXIF claims rationals", "a grey PNG as wide as can be",
       "an animated WebP of 150 large frames", "a progressive JPEG just below the limit"}  # fmt: skip


@pytest.fixture(scope="module")
def film(app, alice):
    return make_video(alice)


@pytest.mark.parametrize(
    "coding", ["gzip", "deflate", "br", "gzip, gzip", "identity, gzip", "zstd", "x-gzip"]
)
def test_packed_bodies_are_not_unpacked(app, alice, coding):
    body = b'{"handle":"packed","name":"' + b"x" * 100 * MEGABYTE + b'"}'
    packed = zlib.compress(body, 9) if coding == "deflate" else gzip.compress(body, 6)
    for data in (packed, gzip.compress(b'{"handle":"packed","name":"x"}')):
        headers = {"Content-Encoding": coding}
        answer = alice.call("POST", "/channels", data=data, content_type="application/json", headers=headers)
        assert answer.status_code in (400, 415), answer.text
    assert app.store.collection("channels").find_one({"handle": "packed"}) is None


def test_picture_larger_than_we_take_is_not_even_read(alice, film):
    answer = alice.call(
        "PUT", f"/videos/{film}/thumbnail", data=bytes(9 * MEGABYTE), content_type="image/png"
    )
    assert answer.status_code == 413


def test_many_pictures_at_once_are_drawn_one_after_the_other(tmp_path):
    """Each may take 250 MB: a process with 32 threads must not need 8 GB."""
    (tmp_path / "bomb").write_bytes(png(5000, 5000, kind=6))
    program = (
        ALONE.split("redraw(open")[0]
        + """
import threading
data, before = open(sys.argv[1], "rb").read(), peak()
threads = [threading.Thread(target=redraw, args=(data,)) for _ in range(4)]
[one.start() for one in threads], [one.join() for one in threads]
print(peak() - before)
"""
    )
    command = [sys.executable, "-c", program, str(tmp_path / "bomb")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert int(done.stdout) < MOST_MEMORY, f"{int(done.stdout) / MEGABYTE:.0f} MB {done.stderr[-500:]}"
