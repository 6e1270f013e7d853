"""Forms and pictures as people's programs send them: parts without a name, other words for JPEG."""

import io

import pytest
from bson import ObjectId
from PIL import Image

from tests.audience import FILE, bring_to, make_channel
from tests.features.uploads.test_upload import CLIP_BYTES, form, send_raw
from tests.field_reports import reported


@pytest.fixture(scope="module")
def channel(alice):
    return make_channel(alice)


@pytest.fixture
def draft(alice, channel):
    return alice.post("/videos", {"channel": channel, "title": "A film"}).json["_id"]


@reported(
    "Dates, headers, forms",
    "A multipart part without a filename was no file",
    sent='Content-Disposition: form-data; name="file"',
    back="202",
)
def test_a_part_without_a_filename_is_a_file(app, alice, draft, report):
    body = form(("file", None, CLIP_BYTES))
    assert report.sent.encode() + b"\r\n" in body
    before = set(app.settings.spool_dir.glob("*.part"))
    answer = send_raw(alice, draft, body)
    assert answer.status_code == int(report.back), answer.json
    (spooled,) = set(app.settings.spool_dir.glob("*.part")) - before
    assert spooled.read_bytes() == CLIP_BYTES
    spooled.unlink()


def test_parts_without_names_keep_to_the_rules_of_files(alice, draft):
    for parts, status, reason in (
        ([("file", None, b"hello" * 100)], 415, "not_a_video"),
        ([("file", None, b"")], 400, "file_empty"),
        ([("file", None, CLIP_BYTES), ("file", "b.mp4", CLIP_BYTES)], 400, "bad_request"),
        ([("other", None, b"x" * 200_000), ("file", None, CLIP_BYTES)], 413, "body_too_large"),
        ([("other", None, b"x")], 400, "file_missing"),
    ):
        refused = send_raw(alice, draft, form(*parts))
        assert (refused.status_code, refused.json["reason"]) == (status, reason)


@reported(
    "Dates, headers, forms",
    "`image/jpg` was refused as no image type",
    sent="Content-Type: image/jpg",
    back="202",
)
@pytest.mark.parametrize("kind", ["", "image/jpeg", "image/pjpeg", "IMAGE/JPG"])
def test_other_words_for_jpeg_are_taken(app, alice, draft, report, kind):

    bring_to(app.store, ObjectId(draft), "READY", **FILE)
    drawn = io.BytesIO()
    Image.new("RGB", (320, 180), "red").save(drawn, "JPEG")
    kind = kind or report.sent.removeprefix("Content-Type: ")
    answer = alice.call("PUT", f"/videos/{draft}/thumbnail", data=drawn.getvalue(), content_type=kind)
    assert answer.status_code == int(report.back), answer.json


def test_a_picture_of_another_type_is_told_which_are_taken(app, alice, draft):

    bring_to(app.store, ObjectId(draft), "READY", **FILE)
    answer = alice.call("PUT", f"/videos/{draft}/thumbnail", data=b"x", content_type="image/heic")
    assert answer.status_code == 415 and "image/jpeg" in answer.json["detail"]
