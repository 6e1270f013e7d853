"""Every signature is checked, and one changed character is enough to be refused."""

import time

import pytest
from cloudinary import utils

from cloudinary_local import signing
from tests.cloudinary_local.conftest import KEY, SECRET

DELIVERED = "c_limit,w_640/u1/v1.mp4"


def change(text, at):
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


def test_documented_request_signature_is_made():
    fields = {"public_id": "sample_image", "timestamp": "1315060510"}
    assert signing.sign_fields(fields, "abcd") == "b4ad47fb4e25c7bf5f92a20089f9db59bc302313"


def test_documented_delivery_signature_is_made():
    assert signing.sign_delivery(DELIVERED, "stub_secret") == "a__kFiQP"


@pytest.mark.parametrize("sha256", [False, True])
def test_request_signature_agrees_with_the_sdk(sha256):
    fields = {"public_id": "a&b=c", "tags": ["x", "y"], "timestamp": "1", "context": "k=v|a=b", "empty": ""}
    theirs = utils.api_sign_request(
        fields, SECRET, utils.SIGNATURE_SHA256 if sha256 else utils.SIGNATURE_SHA1
    )
    assert signing.sign_fields(fields, SECRET, sha256) == theirs


def test_signature_of_an_upload_is_accepted(media, picture):
    fields = media.sign(public_id="signed")
    status, _ = media.post("upload", {**fields, "file": ("p.png", picture.read_bytes())})
    assert status == 200


@pytest.mark.parametrize("at", [0, 17, 39])
def test_changed_character_of_a_signature_is_refused(media, at):
    fields = media.sign(public_id="signed")
    status, answer = media.post(
        "upload", {**fields, "signature": change(fields["signature"], at), "file": "x"}
    )
    assert status == 401
    assert "Invalid Signature" in answer["error"]["message"]


@pytest.mark.parametrize("name", ["public_id", "tags", "timestamp"])
def test_changed_field_is_refused(media, name):
    fields = media.sign(public_id="signed", tags="a")
    fields[name] = fields[name] + 1 if name == "timestamp" else "another"
    assert media.post("upload", {**fields, "file": "x"})[0] == 401


def test_smuggled_parameter_is_refused(media):
    # With version 1 of the rules `public_id=a&tags=b` could be one value or two fields.
    fields = media.sign(public_id="a&tags=b")
    assert media.post("upload", {**fields, "public_id": "a", "tags": "b", "file": "x"})[0] == 401


@pytest.mark.parametrize("age", [3700, -3700])
def test_stale_or_future_timestamp_is_refused(media, age):
    fields = media.sign(timestamp=int(time.time()) - age, public_id="old")
    status, answer = media.post("upload", {**fields, "file": "x"})
    assert status == 400
    assert "Stale request" in answer["error"]["message"]


def test_timestamp_of_half_an_hour_ago_is_accepted(media, picture):
    fields = media.sign(timestamp=int(time.time()) - 1800, public_id="old")
    assert media.post("upload", {**fields, "file": ("p.png", picture.read_bytes())})[0] == 200


@pytest.mark.parametrize("action", ["tags", "context"])
def test_receiver_of_a_small_call_need_not_be_signed(media, action):
    fields = media.sign(command="remove_all", public_ids="nothing")
    assert media.post(action, {**fields, "notification_url": "http://127.0.0.1:9/"})[0] == 200


def test_receiver_of_a_destroy_must_be_signed(media):
    fields = media.sign(public_id="nothing")
    assert media.post("destroy", {**fields, "notification_url": "http://127.0.0.1:9/"})[0] == 401


def test_checks_come_in_order(media):
    stale = {"timestamp": 1, "api_key": "wrong", "signature": "wrong"}
    other = media.http.request("POST", f"{media.base}/v1_1/other/image/upload", fields=stale)
    assert other.status == 401 and "cloud_name" in other.headers["X-Cld-Error"]
    assert "api_key" in media.post("upload", stale)[1]["error"]["message"]
    assert "Stale" in media.post("upload", {**stale, "api_key": KEY})[1]["error"]["message"]
    now = {**stale, "api_key": KEY, "timestamp": int(time.time())}
    assert "Signature" in media.post("upload", now)[1]["error"]["message"]
    assert "preset" in media.post("upload", {"file": "x"})[1]["error"]["message"]
    assert "type" in media.post("upload", media.sign(type="odd"))[1]["error"]["message"]
    assert "file" in media.post("upload", media.sign(public_id="a"))[1]["error"]["message"]


def test_answer_of_an_upload_is_signed(media, picture):
    answer = media.upload(picture, public_id="answered")
    expected = {"public_id": answer["public_id"], "version": answer["version"]}
    assert answer["signature"] == utils.api_sign_request(expected, SECRET)


@pytest.mark.parametrize("at", range(8))
def test_changed_character_of_a_delivery_signature_is_refused(media, film, at):
    url = media.url(
        "films/bunny", resource_type="video", type="authenticated", sign_url=True, format="mp4", width=320,
        crop="limit",
    )  # fmt: skip
    start = url.index("s--") + 3
    assert media.get(url).status == 200
    assert media.get(change(url, start + at)).status == 401


def test_long_delivery_signature_is_accepted(media, film):
    options = {"resource_type": "video", "type": "authenticated", "format": "mp4", "sign_url": True}
    assert media.get(media.url("films/bunny", long_url_signature=True, **options)).status == 200


def test_signature_of_another_transformation_is_refused(media, film):
    url = media.url("films/bunny", resource_type="video", type="authenticated", sign_url=True, format="mp4")
    assert media.get(url.replace("/v1/", "/w_10/v1/")).status == 401


def test_wrong_signature_is_refused_even_for_a_public_file(media, picture):
    media.upload(picture, public_id="public")
    assert media.get("/marquee/image/upload/public.png").status == 200
    assert media.get("/marquee/image/upload/s--AAAAAAAA--/public.png").status == 401
