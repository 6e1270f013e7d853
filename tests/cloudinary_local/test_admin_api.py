"""The Admin API, and calls that change assets."""

import json

import cloudinary.uploader
import pytest
from cloudinary import api
from cloudinary.exceptions import AlreadyExists, AuthorizationRequired, BadRequest, NotFound

from tests.patience import patience

CALLS = [
    ("GET", "/ping"), ("GET", "/usage"), ("GET", "/resources"), ("GET", "/resources/image"),
    ("GET", "/resources/image/upload/x"), ("DELETE", "/resources/image/upload"), ("GET", "/streaming_profiles"),
    ("POST", "/upload_presets"), ("GET", "/metadata_fields"), ("GET", "/folders"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_stranger_is_refused(media, method, path):
    url = f"{media.base}/v1_1/marquee{path}"
    for headers in ({}, {"Authorization": "Basic a2V5LTE6d3Jvbmc="}, {"Authorization": "Bearer x"}):
        assert media.http.request(method, url, headers=headers).status == 401


def test_answers_tell_the_rate_limit(media):
    answer = api.ping(**media.account)
    assert answer["status"] == "ok"
    assert answer.rate_limit_remaining > 0
    assert answer.request_id


def test_wrong_secret_is_refused(media):
    with pytest.raises(AuthorizationRequired):
        api.ping(**{**media.account, "api_secret": "wrong"})


@pytest.fixture(scope="module")
def shelf(media, picture):
    for number in range(5):
        media.upload(
            picture, public_id=f"shelf/{number}", tags=["shelf", f"n{number}"], context={"row": str(number)}
        )
    return [f"shelf/{number}" for number in range(5)]


def names(answer):
    return [one["public_id"] for one in answer["resources"]]


def test_assets_are_found_by_prefix_tag_ids_and_context(media, shelf):
    account = media.account
    assert sorted(names(api.resources(type="upload", prefix="shelf/", **account))) == shelf
    assert sorted(names(api.resources_by_tag("shelf", **account))) == shelf
    assert names(api.resources_by_tag("n3", **account)) == ["shelf/3"]
    assert sorted(names(api.resources_by_ids(shelf[:2], **account))) == shelf[:2]
    assert names(api.resources_by_context("row", "4", **account)) == ["shelf/4"]
    assert len(names(api.resources_by_context("row", **account))) == 5


def test_pages_hold_every_asset_once(media, shelf):
    seen, cursor = [], None
    while True:
        page = api.resources_by_tag("shelf", max_results=2, next_cursor=cursor, **media.account)
        seen += names(page)
        cursor = page.get("next_cursor")
        if not cursor:
            break
    assert sorted(seen) == shelf


def test_assets_are_deleted_by_tag_prefix_and_ids(media, picture):
    for number in range(4):
        media.upload(picture, public_id=f"bin/{number}", tags=[f"bin{number}"])
    api.delete_resources(["bin/0", "bin/none"], **media.account)
    api.delete_resources_by_tag("bin1", **media.account)
    assert sorted(names(api.resources(type="upload", prefix="bin/", **media.account))) == ["bin/2", "bin/3"]
    api.delete_resources_by_prefix("bin/", **media.account)
    assert names(api.resources(type="upload", prefix="bin/", **media.account)) == []


def test_delete_without_a_choice_deletes_nothing(media, shelf):
    url = f"{media.base}/v1_1/marquee/resources/image/upload"
    headers = {"Authorization": "Basic a2V5LTE6c2VjcmV0LTE="}
    assert media.http.request("DELETE", url, headers=headers).status == 400
    assert sorted(names(api.resources(type="upload", prefix="shelf/", **media.account))) == shelf


def test_derived_files_are_deleted_alone(media, picture):
    media.upload(picture, public_id="parent", eager=[{"width": 10, "crop": "scale"}])
    known = media.resource("parent")["derived"]
    api.delete_derived_resources([known[0]["id"]], **media.account)
    assert media.resource("parent")["derived"] == []


def test_rename_moves_the_name_and_keeps_the_file(media, picture):
    before = media.upload(picture, public_id="old-name")
    media.upload(picture, public_id="taken")
    with pytest.raises(BadRequest, match="already exists"):
        cloudinary.uploader.rename("old-name", "taken", **media.account)
    after = cloudinary.uploader.rename("old-name", "new-name", to_type="private", **media.account)
    assert after["asset_id"] == before["asset_id"]
    assert media.get("/marquee/image/upload/old-name.png").status == 404
    assert media.get(after["url"]).data == picture.read_bytes()
    with pytest.raises(NotFound):
        cloudinary.uploader.rename("old-name", "other", **media.account)


def test_explicit_of_nothing_is_404(media):
    with pytest.raises(NotFound, match="Resource not found"):
        media.explicit("nothing")


def test_profile_exists_once(media):
    steps = [{"crop": "limit", "width": 10, "height": 10, "bit_rate": "50k"}]
    api.create_streaming_profile("mine", representations=steps, **media.account)
    with pytest.raises(AlreadyExists):
        api.create_streaming_profile("mine", representations=steps, **media.account)
    with pytest.raises(BadRequest):
        api.create_streaming_profile("none", representations=[], **media.account)


ODD_IDS = [
    "../../etc/passwd",
    "a/../b",
    "/a",
    "a/",
    "a//b",
    "a\x00b",
    "a\nb",
    " a",
    "a?b",
    "x" * 300,
    ".",
    "a/./b",
]


@pytest.mark.parametrize("public_id", ODD_IDS)
def test_odd_public_id_is_refused(media, picture, public_id):
    fields = media.sign(public_id=public_id)
    status, answer = media.post("upload", {**fields, "file": ("p.png", picture.read_bytes())})
    assert status in {400, 401}
    assert answer["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/marquee/image/upload/../../../etc/passwd", "/marquee/image/upload/%2e%2e/%2e%2e/etc/passwd",
        "/marquee/image/upload/%00", "/marquee/image/upload/%ff%fe.png", "/marquee/image/upload/v1/",
        "/marquee/image/upload//a.png", "/marquee/odd/upload/a.png", "/marquee/image/odd/a.png",
        "/marquee/video/upload/x.hls/v0.m3u8", "/marquee/image/upload/" + "a/" * 500 + "b.png",
        "/marquee/image/upload/w_" + "9" * 5000 + "/a.png", "/", "/marquee", "/v1_1/marquee/image/odd",
    ],
)  # fmt: skip
def test_odd_path_is_a_plain_refusal(media, path):
    answer = media.get(path)
    assert 400 <= answer.status < 500
    assert json.loads(answer.data)["error"]["message"]
    assert answer.headers["X-Cld-Error"]


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": "9" * 40}, {"timestamp": "now"}, {"timestamp": "-1"}, {"timestamp": "\x00"},
        {"public_id[]": "a"}, {"tags[]": "a"}, {"context": "no pair"}, {"metadata": "unknown=1"},
        {"eager": "w_1" + "/w_1" * 2000}, {"eager": "|||"}, {"face_coordinates": "1,2"}, {"type": "../.."},
        {"transformation": "w_1e400"}, {"responsive_breakpoints": "[1]"}, {"responsive_breakpoints": "{"},
        {"moderation": "magic"}, {"format": "exe"}, {"public_id": "\U0001f600" * 200},
    ],
)  # fmt: skip
def test_odd_field_never_breaks_the_server(media, picture, fields):
    signed = media.sign(**{name: value for name, value in fields.items() if not name.endswith("[]")})
    sent = {**signed, **fields, "file": ("p.png", picture.read_bytes())}
    status, answer = media.post(
        "upload", {name: str(value) if name != "file" else value for name, value in sent.items()}
    )
    assert status < 500
    if status >= 400:
        assert answer["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b'"x"', b"[" * 50000, b'{"public_ids": {"a": 1}}', b'{"prefix": "\\ud800"}',
        b'{"max_results": 1e999}', b'{"next_cursor": 5}',
    ],
)  # fmt: skip
def test_odd_json_never_breaks_the_server(media, body):
    headers = {"Authorization": "Basic a2V5LTE6c2VjcmV0LTE=", "Content-Type": "application/json"}
    for method, path in (("POST", "/upload_presets"), ("PUT", "/transformations"), ("POST", "/metadata_fields"),
                         ("POST", "/streaming_profiles"), ("GET", "/resources/image")):  # fmt: skip
        url = f"{media.base}/v1_1/marquee{path}"
        assert media.http.request(method, url, body=body, headers=headers).status < 500


def test_cut_body_is_refused(media):
    import socket

    with socket.create_connection(("127.0.0.1", media.port), timeout=patience(10)) as raw:
        raw.sendall(
            b"POST /v1_1/marquee/image/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b'Content-Length: 1000\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
        )
        raw.shutdown(socket.SHUT_WR)
        assert b" 400 " in raw.recv(200)
    assert not list((media.data_dir / "tmp").iterdir())
