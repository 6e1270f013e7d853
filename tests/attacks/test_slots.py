"""Uploads that dawdle take so many threads and no more: who comes then is told to come again, and can."""

import contextlib

import pytest

from tests.audience import make_channel
from tests.platform import SMALL_CLIP


@pytest.fixture
def full(app):
    """All places taken, as by clients that send a byte now and then."""
    with contextlib.ExitStack() as taken:
        for _ in range(app.settings.api_threads // 2):
            taken.enter_context(app.receiving.take())
        yield taken


@pytest.fixture
def video(alice):
    return alice.post("/videos", {"channel": make_channel(alice), "title": "x"}).json["_id"]


def send_form(alice, video):
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="film.mp4"\r\n\r\n'
    body = head + SMALL_CLIP.read_bytes() + b"\r\n--cut--\r\n"
    kind = "multipart/form-data; boundary=cut"
    return alice.call("POST", f"/videos/{video}/upload", data=body, content_type=kind)


def test_a_form_is_told_to_come_again_and_then_taken(alice, video, full):
    answer = send_form(alice, video)
    assert (answer.status_code, answer.json["reason"]) == (503, "unavailable") and answer.headers[
        "Retry-After"
    ]
    assert alice.get(f"/videos/{video}").json["status"] == "DRAFT"
    full.close()
    assert send_form(alice, video).status_code == 202


def test_a_piece_is_told_to_come_again_and_then_taken(alice, video, full):
    begun = alice.post(f"/videos/{video}/uploads", {"mode": "resumable", "bytes": 100_000}).json
    path = begun["upload_url"].partition("/api/v1")[2]
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
    }
    piece = SMALL_CLIP.read_bytes()[:10_000]
    assert alice.call("PATCH", path, data=piece, headers=headers).status_code == 503
    full.close()
    assert alice.call("PATCH", path, data=piece, headers=headers).status_code == 204


def test_everything_else_goes_on(alice, anonymous, video, full):
    assert anonymous.get("/videos").status_code == 200
    assert alice.patch(f"/videos/{video}", {"title": "y"}).status_code == 200
