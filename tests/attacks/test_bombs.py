"""Decompression and image bombs: refused or drawn in bounded time and memory, measured in a process of their own."""

import gzip
import json
import subprocess
import sys
import zlib

import pytest

from tests.attacks.bombs import FILMS, PICTURES, jpeg, png
from tests.audience import make_video
from tests.platform import ROOT

MEGABYTE = 1024 * 1024
# Beside what a process has anyway. 25 million pixels, our most, are 100 MB; an animated WebP holds three of them.
MOST_MEMORY = 320 * MEGABYTE
MOST_SECONDS = 3.0

PEAK = """
import json, sys, threading, time
from pathlib import Path
from features.uploads.pictures import BadPicture, redraw
from features.uploads.probe import Unfit, probe

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

def measure(work):
    before, began = peak(), time.process_time()
    try:
        answer = {"made": work()}
    except (BadPicture, Unfit) as error:
        answer = {"refused": str(error)}
    print(json.dumps({**answer, "memory": peak() - before, "seconds": time.process_time() - began}))

def together(data, times):
    threads = [threading.Thread(target=redraw, args=(data,)) for _ in range(times)]
    [one.start() for one in threads], [one.join() for one in threads]
    return times
"""
DRAW = """
redraw(Path(sys.argv[2]).read_bytes())
data = Path(sys.argv[1]).read_bytes()
measure(lambda: len(redraw(data)))
"""
PROBE = "measure(lambda: probe(Path(sys.argv[1]), 1000).width)"
# Each may take 250 MB: a process with 32 threads must not need 8 GB.
DRAW_MANY = "measure(lambda: together(Path(sys.argv[1]).read_bytes(), 4))"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Do something to a file in a process of its own; return what came of it, its memory and CPU time."""
    folder = tmp_path_factory.mktemp("bombs")
    (folder / "plain").write_bytes(jpeg())

    def run(program, data):
        (folder / "bomb").write_bytes(data)
        command = [sys.executable, "-c", PEAK + program, str(folder / "bomb"), str(folder / "plain")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("kind", PICTURES)
def test_picture_is_refused_or_drawn_in_bounded_memory_and_time(alone, kind, record_property):
    data = PICTURES[kind]()
    assert len(data) <= 8 * MEGABYTE
    found = alone(DRAW, data)
    record_property("megabytes", found["memory"] / MEGABYTE)
    record_property("seconds", found["seconds"])
    assert found["memory"] < MOST_MEMORY, found
    assert found["seconds"] < MOST_SECONDS, found
    assert "refused" in found or found["made"] < MEGABYTE


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


def test_many_pictures_at_once_are_drawn_one_after_the_other(alone):
    assert alone(DRAW_MANY, png(5000, 5000, kind=6))["memory"] < MOST_MEMORY


@pytest.mark.parametrize("kind", FILMS)
def test_film_with_a_picture_too_large_is_refused_before_it_is_decoded(alone, kind):
    found = alone(PROBE, FILMS[kind]())
    assert "refused" in found and found["memory"] < 60 * MEGABYTE and found["seconds"] < 1, found
