"""Resumable uploads, by the letter of tus 1.0."""

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from bson import ObjectId

from assembly import create_app
from clients import clock
from machine.access.rates import RATES
from tests.conftest import Client
from tests.platform import CLIP

FILM = CLIP.read_bytes()
WHOLE = len(FILM)
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture(scope="module")
def channel(app, alice):
    return alice.post("/channels", {"handle": "resumable", "name": "Resumable"}).json["_id"]


@pytest.fixture
def video(alice, channel):
    return alice.post("/videos", {"channel": channel, "title": "A film"}).json["_id"]


@pytest.fixture
def place(alice, video):
    """The path of an upload that has begun."""
    return begin(alice, video)


@pytest.fixture(autouse=True)
def empty_spool(app):
    yield
    for file in app.settings.spool_dir.glob("*.part"):
        file.unlink()


def begin(client, video, size=WHOLE):
    answer = client.post(f"/videos/{video}/uploads", headers={**TUS, "Upload-Length": str(size)})
    assert answer.status_code == 201, answer.json
    return answer.headers["Location"].partition("/api/v1")[2]


def send(client, place, data, offset, **headers):
    headers = {
        **TUS,
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
        **headers,
    }
    return client.call("PATCH", place, data=data, headers=headers)


def offset_of(client, place):
    answer = client.call("HEAD", place, headers=TUS)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


def upload_of(app, place):
    return app.services.db.uploads.find_one({"_id": ObjectId(place.rpartition("/")[2])})


def checksum(name, data):
    return {"Upload-Checksum": f"{name} {base64.b64encode(hashlib.new(name, data).digest()).decode()}"}


def test_server_says_what_it_can_do(app, anonymous):
    answer = anonymous.call("OPTIONS", "/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert set(answer.headers["Tus-Extension"].split(",")) == {
        "creation",
        "checksum",
        "expiration",
        "termination",
    }
    assert int(answer.headers["Tus-Max-Size"]) == app.settings.upload_max_bytes


def test_json_begins_one_too(alice, video):
    answer = alice.post(
        f"/videos/{video}/uploads", {"mode": "resumable", "bytes": 10, "filename": "../x.mp4"}
    )
    assert answer.status_code == 201 and answer.headers["Location"] == answer.json["upload_url"]
    assert alice.get(f"/videos/{video}").json["status"] == "UPLOADING"


def test_whole_file_in_pieces_begins_the_processing(app, alice, video, place):
    cut = 400_000
    first = send(alice, place, FILM[:cut], 0)
    assert first.status_code == 204 and first.headers["Upload-Offset"] == str(cut)
    assert offset_of(alice, place) == cut
    assert alice.get(f"/videos/{video}").json["status"] == "UPLOADING"
    assert send(alice, place, FILM[cut:], cut).status_code == 204
    assert alice.get(f"/videos/{video}").json["status"] == "PROCESSING"
    assert [file.read_bytes() for file in app.settings.spool_dir.glob("*.part")] == [FILM]
    assert app.services.db.jobs.count_documents({"key": f"process:{video}:1"}) == 1


def test_wrong_offset_is_409_and_changes_nothing(alice, place):
    assert send(alice, place, FILM[:1000], 0).status_code == 204
    answer = send(alice, place, FILM[2000:3000], 2000)
    assert answer.status_code == 409 and answer.json["reason"] == "offset_mismatch"
    assert answer.headers["Upload-Offset"] == "1000"
    assert offset_of(alice, place) == 1000


@pytest.mark.parametrize("name", ["sha1", "sha256", "md5"])
def test_right_checksum_is_accepted(alice, place, name):
    assert send(alice, place, FILM[:9000], 0, **checksum(name, FILM[:9000])).status_code == 204


def test_wrong_checksum_is_460_and_the_piece_is_dropped(app, alice, place):
    assert send(alice, place, FILM[:9000], 0).status_code == 204
    answer = send(alice, place, FILM[9000:18000], 9000, **checksum("sha1", b"something else"))
    assert answer.status_code == 460 and answer.json["reason"] == "digest_mismatch"
    assert offset_of(alice, place) == 9000
    assert [file.stat().st_size for file in app.settings.spool_dir.glob("*.part")] == [9000]


@pytest.mark.parametrize("header", ["sha1 nonsense", "crc32 AAAA", "sha1", ""])
def test_malformed_checksum_is_400(alice, place, header):
    assert send(alice, place, FILM[:10], 0, **{"Upload-Checksum": header}).status_code == 400


def test_other_version_is_412(alice, place):
    answer = send(alice, place, b"x", 0, **{"Tus-Resumable": "0.2.2"})
    assert answer.status_code == 412 and answer.headers["Tus-Version"] == "1.0.0"


def test_other_content_type_is_415(alice, place):
    assert send(alice, place, b"x", 0, **{"Content-Type": "application/octet-stream"}).status_code == 415


def test_more_than_was_declared_is_413(alice, video):
    place = begin(alice, video, size=100)
    assert send(alice, place, FILM[:101], 0).status_code == 413
    assert offset_of(alice, place) == 0


@pytest.mark.parametrize("length", ["0", "-1", "many", "", "1e9", "99999999999999999"])
def test_bad_length_is_400(alice, video, length):
    headers = {**TUS, "Upload-Length": length}
    assert alice.post(f"/videos/{video}/uploads", headers=headers).status_code == 400


def test_too_large_a_file_is_refused_before_a_byte_is_sent(app, alice, video):
    headers = {**TUS, "Upload-Length": str(app.settings.upload_max_bytes + 1)}
    answer = alice.post(f"/videos/{video}/uploads", headers=headers)
    assert answer.status_code == 413 and alice.get(f"/videos/{video}").json["status"] == "DRAFT"


def test_what_is_no_video_ends_the_upload_at_its_first_bytes(app, alice, video):
    place = begin(alice, video, size=50_000)
    answer = send(alice, place, b"#EXTM3U\n" * 1000, 0)
    assert answer.status_code == 415 and answer.json["reason"] == "not_a_video"
    assert alice.get(f"/videos/{video}").json["status"] == "DRAFT"
    assert not list(app.settings.spool_dir.glob("*.part"))


def test_expired_upload_is_410_and_frees_the_video(app, alice, video, place):
    send(alice, place, FILM[:1000], 0)
    late = {"$set": {"alive_until": clock.now() - timedelta(seconds=1)}}
    app.services.db.uploads.update_one({"_id": upload_of(app, place)["_id"]}, late)
    assert alice.call("HEAD", place, headers=TUS).status_code == 410
    assert send(alice, place, FILM[1000:2000], 1000).status_code == 410
    assert alice.get(f"/videos/{video}").json["status"] == "DRAFT"
    assert not list(app.settings.spool_dir.glob("*.part"))


def test_expiry_is_told(alice, place):
    assert alice.call("HEAD", place, headers=TUS).headers["Upload-Expires"].endswith(" GMT")


def test_terminated_upload_leaves_nothing(app, alice, video, place):
    send(alice, place, FILM[:1000], 0)
    assert alice.call("DELETE", place, headers=TUS).status_code == 204
    assert alice.call("HEAD", place, headers=TUS).status_code == 410
    assert not list(app.settings.spool_dir.glob("*.part"))
    assert "upload" in alice.get(f"/videos/{video}").json["_links"]


def test_complete_upload_cannot_be_terminated(alice, place):
    assert send(alice, place, FILM, 0).status_code == 204
    assert offset_of(alice, place) == len(FILM)
    assert alice.call("DELETE", place, headers=TUS).status_code == 409


def test_second_upload_beside_a_first_is_409(alice, video, place):
    answer = alice.post(f"/videos/{video}/uploads", {"mode": "resumable", "bytes": 10})
    assert answer.status_code == 409


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE"])
def test_upload_of_somebody_else_is_404(alice, bob, place, method):
    headers = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert bob.call(method, place, headers=headers).status_code == 404
    assert offset_of(alice, place) == 0


def test_key_that_may_not_write_videos_is_403(app, alice, place):
    made = alice.post("/api_keys", {"name": "reader", "scopes": ["videos:read"]})
    assert made.status_code == 201, made.json
    reader = Client(app, made.json["key"])
    assert send(reader, place, FILM[:1000], 0).status_code == 403
    assert offset_of(alice, place) == 0


def test_anonymous_is_401(anonymous, place):
    assert anonymous.call("HEAD", place, headers=TUS).status_code == 401


def test_bytes_that_were_never_acknowledged_are_cut_off(app, alice, place):
    """A process that died after a write and before its checkpoint leaves more bytes than were promised."""
    assert send(alice, place, FILM[:10_000], 0).status_code == 204
    (file,) = app.settings.spool_dir.glob("*.part")
    with file.open("ab") as torn:
        torn.write(b"torn")
    assert send(alice, place, FILM[10_000:], 10_000).status_code == 204
    assert file.read_bytes() == FILM


# Rates


@pytest.fixture(scope="module")
def counting(app, alice):
    """alice, at an application that counts requests."""
    strict = create_app(replace(app.settings, rate_limits=True))
    yield Client(strict, alice.token, alice.user)
    strict.services.close()


def class_of(answer):
    return answer.headers["RateLimit-Policy"].partition(";")[0].strip('"')


@pytest.mark.slow
def test_a_gibibyte_in_pieces_of_5_mib_passes_within_a_minute(counting, place):
    counting.app.services.redis.flushdb()
    size = -(-WHOLE // 205)
    answers = [send(counting, place, FILM[at : at + size], at) for at in range(0, WHOLE, size)]
    assert [answer.status_code for answer in answers] == [204] * 205
    assert {class_of(answer) for answer in answers} == {"piece"}


@pytest.mark.slow
def test_pieces_without_end_are_stopped(counting, place):
    counting.app.services.redis.flushdb()
    quota = RATES["piece"].rates[0].quota
    # The windows are those of the clock: with one that ends meanwhile, the quota is there twice.
    statuses = [send(counting, place, b"", 7).status_code]
    while statuses[-1] == 409 and len(statuses) <= 2 * quota:
        statuses.append(send(counting, place, b"", 7).status_code)
    # What the tests before have sent within this minute counts too.
    assert statuses[-1] == 429 and len(statuses) > 3 / 4 * quota
    assert counting.call("HEAD", place, headers=TUS).status_code == 200, "asking for the offset is reading"


def test_each_request_of_an_upload_has_the_class_of_what_it_costs(counting, alice, video, place):
    counting.app.services.redis.flushdb()
    other = alice.post("/videos", {"channel": alice.get(f"/videos/{video}").json["channel"], "title": "x"})
    begun = counting.post(f"/videos/{other.json['_id']}/uploads", headers={**TUS, "Upload-Length": "9"})
    assert begun.status_code == 201 and class_of(begun) == "upload"
    assert class_of(counting.call("HEAD", place, headers=TUS)) == "read"
    assert class_of(counting.call("DELETE", place, headers=TUS)) == "write"
