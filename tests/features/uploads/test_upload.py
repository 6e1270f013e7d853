"""What comes in through multipart, and what does not."""

import base64
import hashlib

import pytest
from bson import ObjectId

from settings import MIB
from tests.platform import CLIP, SMALL_CLIP

CLIP_BYTES = CLIP.read_bytes()


@pytest.fixture(scope="module")
def channel(app, alice):
    return alice.post("/channels", {"handle": "uploads", "name": "Uploads"}).json["_id"]


@pytest.fixture
def video(alice, channel):
    return alice.post("/videos", {"channel": channel, "title": "A film"}).json["_id"]


def send(client, video, content=CLIP_BYTES, name="film.mp4", field="file", **more):
    return send_raw(client, video, form((field, name, content)), **more)


def send_raw(client, video, body, content_type="multipart/form-data; boundary=cut", **more):
    return client.post(f"/videos/{video}/upload", data=body, content_type=content_type, **more)


def form(*parts, end=True):
    body = b""
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename else ""
        body += (
            f'--cut\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
            + content
            + b"\r\n"
        )
    return body + (b"--cut--\r\n" if end else b"")


def assert_refused(app, alice, video, answer, status, reason):
    """The reason is told, nothing stays on disk, and the video takes the next upload."""
    assert (answer.status_code, answer.json["reason"]) == (status, reason), answer.json
    assert not list(app.settings.spool_dir.glob("*.part"))
    shown = alice.get(f"/videos/{video}").json
    assert shown["status"] == "DRAFT" and "upload" in shown["_links"]
    assert send(alice, video).status_code == 202


@pytest.fixture(autouse=True)
def empty_spool(app):
    yield
    for file in app.settings.spool_dir.glob("*.part"):
        file.unlink()


def test_file_is_accepted_and_a_job_is_owed(app, alice, video):
    answer = send(alice, video)
    assert answer.status_code == 202 and answer.json["status"] == "PROCESSING"
    job = app.services.jobs.get(ObjectId(answer.json["job"]))
    assert job["state"] == "queued" and job["subject"]["id"] == ObjectId(video)
    assert job["payload"]["sha256"] == hashlib.sha256(CLIP_BYTES).hexdigest()
    assert (app.settings.spool_dir / f"{job['payload']['upload']}.part").read_bytes() == CLIP_BYTES


def test_empty_file_is_refused(app, alice, video):
    assert_refused(app, alice, video, send(alice, video, b""), 400, "file_empty")


def test_form_without_the_file_field_is_refused(app, alice, video):
    assert_refused(app, alice, video, send(alice, video, field="film"), 400, "file_missing")


def test_json_body_is_refused(app, alice, video):
    assert_refused(
        app, alice, video, alice.post(f"/videos/{video}/upload", {}), 415, "unsupported_media_type"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"just words, but named like a film\n" * 400,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"<html><script>alert(1)</script></html>",
        b"\x89PNG\r\n\x1a\n" + bytes(4000),
        b"PK\x03\x04" + bytes(4000),
        b"\x7fELF" + bytes(4000),
    ],
    ids=["text", "m3u8", "ffconcat", "html", "png", "zip", "program"],
)
def test_what_is_no_video_is_refused_whatever_its_name(app, alice, video, content):
    assert_refused(app, alice, video, send(alice, video, content), 415, "not_a_video")


def test_file_one_byte_too_large_is_refused(app, alice, video, monkeypatch):
    monkeypatch.setattr(app, "settings", limited(app.settings, len(CLIP_BYTES) - 1))
    answer = send(alice, video)
    monkeypatch.undo()
    assert_refused(app, alice, video, answer, 413, "file_too_large")


def test_file_of_exactly_the_limit_is_taken(app, alice, video, monkeypatch):
    monkeypatch.setattr(app, "settings", limited(app.settings, len(CLIP_BYTES)))
    assert send(alice, video).status_code == 202


def limited(settings, size):
    from dataclasses import replace

    return replace(settings, upload_max_bytes=size)


def test_form_cut_before_its_last_boundary_is_refused(app, alice, video):
    body = form(("file", "film.mp4", CLIP_BYTES), end=False)
    assert_refused(app, alice, video, send_raw(alice, video, body), 400, "file_truncated")


def test_body_shorter_than_declared_is_refused(app, alice, video):
    body = form(("file", "film.mp4", CLIP_BYTES))
    answer = send_raw(alice, video, body, environ_overrides={"CONTENT_LENGTH": str(len(body) + 10)})
    assert_refused(app, alice, video, answer, 400, "file_truncated")


def test_1500_parts_are_refused(app, alice, video):
    body = form(*[(f"field{number}", None, b"x") for number in range(1500)])
    assert_refused(app, alice, video, send_raw(alice, video, body), 413, "body_too_large")


def test_megabytes_in_other_fields_are_refused(app, alice, video):
    body = form(("note", None, b"x" * MIB), ("file", "film.mp4", CLIP_BYTES))
    assert_refused(app, alice, video, send_raw(alice, video, body), 413, "body_too_large")


def test_two_files_are_refused(app, alice, video):
    body = form(("file", "a.mp4", CLIP_BYTES), ("file", "b.mp4", CLIP_BYTES))
    assert_refused(app, alice, video, send_raw(alice, video, body), 400, "bad_request")


def test_name_of_the_client_is_never_a_path(app, alice, video):
    assert send(alice, video, name="../../../evil.mp4").status_code == 202
    assert not list(app.settings.data_dir.parent.rglob("evil*"))


def test_digest_that_does_not_match_is_refused(app, alice, video):
    digest = base64.b64encode(hashlib.sha256(b"another file").digest()).decode()
    answer = send(alice, video, headers={"Repr-Digest": f"sha-256=:{digest}:"})
    assert_refused(app, alice, video, answer, 422, "digest_mismatch")


def test_digest_that_matches_is_accepted(app, alice, video):
    digest = base64.b64encode(hashlib.sha256(CLIP_BYTES).digest()).decode()
    assert send(alice, video, headers={"Repr-Digest": f"sha-256=:{digest}:"}).status_code == 202


def test_malformed_digest_is_refused(app, alice, video):
    answer = send(alice, video, headers={"Repr-Digest": "sha-256=:nonsense:"})
    assert_refused(app, alice, video, answer, 400, "bad_request")


def test_second_upload_while_one_is_processed_is_refused(app, alice, video):
    assert send(alice, video).status_code == 202
    answer = send(alice, video)
    assert answer.status_code == 409 and answer.json["reason"] in ("illegal_state", "upload_in_progress")


def test_stranger_cannot_upload_to_a_private_video(app, bob, video):
    assert send(bob, video).status_code == 404


def test_anonymous_cannot_upload(app, anonymous, video):
    assert send(anonymous, video).status_code in (401, 404)


def test_small_films_of_other_containers_are_accepted(app, alice, video):
    assert send(alice, video, SMALL_CLIP.read_bytes(), "film.bin").status_code == 202


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"mode": "carrier pigeon"}, "mode"),
        ({"bytes": 0}, "bytes"),
        ({"bytes": "10"}, "bytes"),
        ({"bytes": True}, "bytes"),
        ({"filename": "x" * 256}, "filename"),
        ({"sha256": "abc"}, "sha256"),
        ({"mode": "direct", "sha256": "0" * 64}, "sha256"),
        ({"owner": "me"}, "owner"),
    ],
)
def test_wish_that_does_not_fit_names_the_field_and_begins_nothing(alice, video, wrong, field):
    answer = alice.post(f"/videos/{video}/uploads", {"mode": "resumable", "bytes": 10, **wrong})
    assert (answer.status_code, answer.json["reason"]) == (422, "validation_failed")
    assert list(answer.json["issues"]) == [field]
    assert alice.get(f"/videos/{video}").json["status"] == "DRAFT"
