"""Delivery: guarded files, ranges, caches, other origins, tokens, streams that play."""

import hashlib
import io
import time
from urllib.parse import urljoin

import av
import pytest
from cloudinary import utils
from PIL import Image

from cloudinary_local.settings import default_token_key
from tests.cloudinary_local.conftest import SECRET, frames
from tests.field_reports import reported

KEY = default_token_key(SECRET)
FILM = {"resource_type": "video", "type": "authenticated"}
BARE = "/marquee/video/authenticated/v1/films/bunny.mp4"
STREAM = "/marquee/video/authenticated/sp_sd/v1/films/bunny.m3u8"
STREAM_ACL = "/marquee/video/authenticated/*/films/bunny*"


def token(**options):
    return utils.generate_auth_token(**{"key": KEY, "duration": 300, **options})


def entries(playlist):
    return [line for line in playlist.decode().splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("transformation", ["", "c_limit,w_320/", "sp_sd/"])
def test_guarded_film_needs_a_signature(media, film, transformation):
    for extension in ("mp4", "m3u8", "jpg"):
        answer = media.get(f"/marquee/video/authenticated/{transformation}v1/films/bunny.{extension}")
        assert answer.status == 401
        assert answer.headers["X-Cld-Error"]


def test_film_is_not_reachable_as_another_type(media, film):
    assert media.get("/marquee/video/upload/v1/films/bunny.mp4").status == 404
    assert media.get("/marquee/image/authenticated/v1/films/bunny.mp4").status == 404


def test_signed_original_is_the_file_itself(media, film, clip):
    answer = media.get(film["url"])
    assert answer.status == 200
    assert answer.data == clip.read_bytes()
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_private_file_is_guarded_too(media, picture):
    answer = media.upload(picture, public_id="secret", type="private")
    assert media.get(answer["url"]).status == 200
    assert media.get("/marquee/image/private/secret.png").status == 401


@reported(
    "Dates, headers, forms",
    "Safari asks for the first two bytes, and does not play what answers with the whole file",
    sent="`Range: bytes=0-1`",
    back="206 with two bytes and `Content-Range`",
)
@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-99", 0, 100), ("bytes=0-1", 0, 2), ("bytes=1000-", 1000, None), ("bytes=-50", -50, None)],
)
def test_range_is_answered_in_part(media, film, clip, asked, start, end):
    data = clip.read_bytes()
    answer = media.get(film["url"], Range=asked)
    assert answer.status == 206
    assert answer.data == data[start:end]
    assert answer.headers["Content-Range"].endswith(f"/{len(data)}")


def test_range_beyond_the_end_is_416(media, film):
    assert media.get(film["url"], Range="bytes=99999999-").status == 416


def test_head_tells_the_length_and_sends_nothing(media, film, clip):
    answer = media.http.request("HEAD", film["url"])
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) == clip.stat().st_size
    assert answer.data == b""


def test_known_etag_is_answered_304(media, film, clip):
    etag = media.get(film["url"]).headers["ETag"]
    assert etag == f'"{hashlib.md5(clip.read_bytes()).hexdigest()}"'
    assert media.get(film["url"], **{"If-None-Match": etag}).status == 304
    assert media.get(film["url"], **{"If-None-Match": '"other"'}).status == 200


def test_every_origin_may_read_and_see_ranges(media, film):
    answer = media.get(film["renditions"][0], Origin="http://player.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Range" in answer.headers["Access-Control-Expose-Headers"]
    asked = media.http.request("OPTIONS", film["url"], headers={"Origin": "http://player.example"})
    assert asked.status == 200
    assert "Range" in asked.headers["Access-Control-Allow-Headers"]


def test_smaller_film_plays_whole(media, film):
    data = media.get(film["renditions"][1]).data
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.video[0].codec_context.width == 320
        assert float(container.duration / 1e6) == pytest.approx(5.312, abs=0.1)
    assert abs(frames(data) - 132) <= 1


def test_still_shows_the_moment_asked_for(media, film, clip):
    answer = media.get(film["renditions"][2])
    assert answer.headers["Content-Type"] == "image/jpeg"
    still = Image.open(io.BytesIO(answer.data)).convert("L").resize((32, 18))
    assert Image.open(io.BytesIO(answer.data)).size == (160, 90)

    def distance(at):
        with av.open(str(clip)) as container:
            shot = next(f for f in container.decode(video=0) if f.time >= at).to_image()
        pairs = zip(still.tobytes(), shot.convert("L").resize((32, 18)).tobytes(), strict=True)
        return sum(abs(a - b) for a, b in pairs) / (32 * 18)

    assert distance(2.0) < 4
    assert distance(2.0) < distance(0.0)


def test_every_variant_and_segment_of_a_stream_plays(media, film):
    master_url = film["renditions"][0]
    master = media.get(master_url)
    assert master.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    variants = entries(master.data)
    assert len(variants) >= 3
    for variant in variants:
        url = urljoin(master_url, variant)
        playlist = media.get(url)
        assert playlist.status == 200
        assert b"#EXT-X-ENDLIST" in playlist.data
        parts = [media.get(urljoin(url, one)) for one in entries(playlist.data)]
        assert all(part.status == 200 and frames(part.data) > 0 for part in parts)
        assert abs(sum(frames(part.data) for part in parts) - 132) <= 1


def test_token_opens_the_whole_stream(media, film):
    url = f"{media.base}{STREAM}?{token(acl=STREAM_ACL)}"
    variants = entries(media.get(url).data)
    playlist_url = urljoin(url, variants[0])
    for part in entries(media.get(playlist_url).data):
        assert media.get(urljoin(playlist_url, part)).status == 200


def test_token_opens_only_its_own_paths(media, film):
    text = token(acl="/marquee/video/authenticated/*/films/other*")
    assert media.get(f"{STREAM}?{text}").status == 401
    assert media.get(f"{BARE}?{token(url=STREAM)}").status == 401


def test_access_list_of_several_paths_opens_each_of_them_and_no_more(media, film):
    """The SDK joins them with `!`; `*` is any characters, slashes too, and `?` is one."""
    text = token(acl=["/marquee/video/authenticated/sp_sd/v1/films/bunny.m3u8", "/*/films/bun?y.mp4"])
    assert "!" in text
    assert [media.get(f"{path}?{text}").status for path in (STREAM, BARE)] == [200, 200]
    assert media.get(f"/marquee/video/authenticated/so_1/v1/films/bunny.jpg?{text}").status == 401


def test_access_list_without_wildcard_is_no_prefix(media, film):
    assert media.get(f"{BARE}?{token(acl=BARE[:-1])}").status == 401
    assert media.get(f"{BARE}?{token(acl=BARE.rpartition('/')[0])}").status == 401


def test_access_list_is_what_counts_where_a_url_is_named_too(media, film):
    """The SDK leaves `url` out of the signature then."""
    assert media.get(f"{BARE}?{token(acl=STREAM, url=BARE)}").status == 401


@pytest.mark.parametrize("path", [STREAM, BARE.replace("/v1/", "/v2/"), BARE.replace("bunny", "%62unny"),
                                  BARE.replace("/v1", "/fl_attachment/v1"), BARE.replace(".mp4", ".jpg")])  # fmt: skip
def test_token_for_one_url_opens_no_other_of_the_film(media, film, path):
    other = path.replace("%62", "b") == BARE  # the same path, spelt otherwise
    assert media.get(f"{path}?{token(url=BARE)}").status == (200 if other else 401)


def test_token_for_one_url_opens_it(media, film):
    assert media.get(f"{BARE}?{token(url=BARE)}").status == 200


def test_token_in_a_cookie_opens(media, film):
    assert media.get(BARE, Cookie=f"a=b; {token(acl='/*')}").status == 200


@pytest.mark.parametrize(
    "options",
    [
        lambda: {"duration": None, "expiration": int(time.time()) - 10},
        lambda: {"duration": 600, "start_time": int(time.time()) + 300},
        lambda: {"ip": "10.9.8.7"},
    ],
    ids=["expired", "not yet", "another address"],
)
def test_token_out_of_its_terms_is_refused(media, film, options):
    assert media.get(f"{BARE}?{token(acl='/*', **options())}").status == 401


def test_token_for_this_address_opens(media, film):
    assert media.get(f"{BARE}?{token(acl='/*', ip='127.0.0.1')}").status == 200


@pytest.mark.parametrize("at", [16, 20, -1, -30, -64])
def test_changed_character_of_a_token_is_refused(media, film, at):
    text = token(acl="/*")
    at %= len(text)
    changed = text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :]
    assert media.get(f"{BARE}?{changed}").status == 401


def test_token_of_another_key_is_refused(media, film):
    assert media.get(f"{BARE}?{token(acl='/*', key='00' * 32)}").status == 401


def test_token_key_can_be_set(own_media, clip):
    one = own_media("--token-key", "ab" * 32)
    one.upload_video(clip, public_id="films/bunny")
    assert one.get(f"{BARE}?{token(acl='/*', key='ab' * 32)}").status == 200
    assert one.get(f"{BARE}?{token(acl='/*')}").status == 401


@pytest.mark.parametrize(
    ("steps", "size"),
    [
        ("c_scale,w_200", (200, 150)),
        ("c_limit,w_800", (400, 300)),
        ("c_fill,h_100,w_100", (100, 100)),
        ("c_fit,h_100,w_100", (100, 75)),
        ("c_pad,h_100,w_100", (100, 100)),
        ("c_scale,w_0.5", (200, 150)),
        ("ar_16:9,c_fill,w_160", (160, 90)),
        ("c_scale,w_200/c_fill,h_50,w_50", (50, 50)),
    ],
)
@pytest.mark.parametrize("extension", ["jpg", "webp"])
def test_image_is_resized(media, picture, steps, size, extension):
    media.upload(picture, public_id="shapes/one")
    answer = media.get(f"/marquee/image/upload/{steps}/v1/shapes/one.{extension}")
    assert answer.status == 200
    assert Image.open(io.BytesIO(answer.data)).size == size


def test_folder_that_looks_like_a_transformation_is_a_folder(media, picture):
    media.upload(picture, public_id="w_20/v1/pic")
    assert Image.open(io.BytesIO(media.get("/marquee/image/upload/w_20/v1/pic.png").data)).size == (400, 300)


@pytest.mark.parametrize("steps", ["w_99999999", "c_odd,w_10", "e_unknown", "w_nan", "l_other,w_10", "w_-1"])
def test_transformation_that_is_not_understood_is_400(media, picture, steps):
    media.upload(picture, public_id="odd")
    assert media.get(f"/marquee/image/upload/{steps}/odd.png").status == 400


def test_attachment_flag_offers_a_file_name(media, picture):
    media.upload(picture, public_id="doc/pic")
    answer = media.get("/marquee/image/upload/fl_attachment/v1/doc/pic.png")
    assert answer.headers["Content-Disposition"] == "attachment; filename=pic.png"


def test_attachment_beside_another_step_is_a_transformation_of_the_film(media, film, clip):
    acl = token(acl="/*")
    whole = media.get(f"/marquee/video/authenticated/fl_attachment/v1/films/bunny.mp4?{acl}")
    made = media.get(f"/marquee/video/authenticated/fl_attachment,w_64/v1/films/bunny.mp4?{acl}")
    assert whole.data == clip.read_bytes()
    assert made.status == 200 and made.data != whole.data


def test_download_link_lives_until_it_expires(media, film, clip):
    def link(expires_in):
        return utils.private_download_url(
            "films/bunny", "mp4", expires_at=int(time.time()) + expires_in, **FILM, **media.account
        )

    good = media.get(link(60))
    assert good.status == 200 and good.data == clip.read_bytes()
    assert media.get(link(-1)).status == 401
    assert media.get(link(60).replace("expires_at=1", "expires_at=2")).status == 401
    assert media.get(link(60).replace("bunny", "other")).status == 401
