"""Uploads: what is taken, what is refused, whole and in chunks."""

import hashlib
import os
import shutil
from pathlib import Path

import cloudinary.uploader
import pytest
from cloudinary.exceptions import AuthorizationRequired, BadRequest, NotFound

from cloudinary_local.settings import MIN_CHUNK_BYTES
from cloudinary_local.sniff import video_demuxer


def test_video_is_probed(media, clip):
    answer = media.upload_video(clip, public_id="probed")
    assert answer["duration"] == pytest.approx(5.312, abs=0.04)
    assert (answer["width"], answer["height"], answer["nb_frames"]) == (1280, 720, 132)
    assert answer["frame_rate"] == 25.0
    assert answer["video"]["codec"] == "h264"
    assert answer["audio"]["codec"] == "aac"
    assert answer["is_audio"] is False
    assert answer["format"] == "mp4"
    assert isinstance(answer["bit_rate"], int)
    assert answer["etag"] == hashlib.md5(clip.read_bytes()).hexdigest()


def test_repeated_upload_replaces_the_file(media, clip, long_clip):
    first = media.upload_video(clip, public_id="again")
    second = media.upload_video(long_clip, public_id="again")
    assert second["asset_id"] == first["asset_id"]
    assert second["version"] > first["version"]
    assert second["etag"] != first["etag"]
    folder = media.data_dir / "assets" / first["asset_id"][:2] / first["asset_id"]
    assert [entry.name for entry in folder.iterdir()] == [str(second["version"])]


def test_upload_without_overwrite_keeps_the_first(media, picture, tmp_path):
    first = media.upload(picture, public_id="kept")
    again = media.upload(picture, public_id="kept", overwrite=False)
    assert again["existing"] is True
    assert again["version"] == first["version"]


@pytest.mark.parametrize("kind", ["image", "video", "raw"])
def test_auto_recognises_the_kind(media, clip, picture, tmp_path, kind):
    text = tmp_path / "notes.txt"
    text.write_text("only words")
    source = {"image": picture, "video": clip, "raw": text}[kind]
    assert media.upload(source, resource_type="auto")["resource_type"] == kind


def fake(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"only words, not a film " * 50,
        b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:2,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"<?xml version='1.0'?><MPD><BaseURL>/etc/passwd</BaseURL></MPD>",
        b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 500,
    ],
    ids=["text", "m3u8", "ffconcat", "dash", "empty-boxes"],
)
def test_what_is_no_film_is_refused_whatever_its_name(media, tmp_path, content):
    before = len(media.files())
    with pytest.raises(BadRequest, match="Unsupported video format"):
        media.upload_video(fake(tmp_path, "film.mp4", content), public_id="fake")
    assert len(media.files()) == before
    assert not list((media.data_dir / "tmp").iterdir())


@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile '{film}'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:5.3,\n{film}\n#EXT-X-ENDLIST\n",
    ],
    ids=["ffconcat", "m3u8"],
)
def test_list_of_a_real_film_is_not_opened(media, clip, tmp_path, content):
    path = fake(tmp_path, "film.mp4", content.format(film=clip).encode())
    with pytest.raises(BadRequest, match="Unsupported video format"):
        media.upload_video(path, public_id="list")


@pytest.mark.parametrize(
    "head", [b"ffconcat version 1.0\n", b"#EXTM3U\n", b"<?xml version='1.0'?><MPD>", b"v=0\r\n"]
)
def test_no_decoder_is_ever_chosen_for_a_list_of_films(head):
    assert video_demuxer(head + b"x" * 1000) is None


def test_film_cut_before_its_index_is_refused(media, clip, tmp_path):
    whole = clip.read_bytes()
    at = whole.index(b"mdat")
    index = whole.index(b"moov")
    cut = whole[: len(whole) // 2] if index > at else whole[at - 4 :]
    with pytest.raises(BadRequest, match="Unsupported video format"):
        media.upload_video(fake(tmp_path, "film.mp4", cut), public_id="cut")


def test_film_is_no_image(media, clip):
    with pytest.raises(BadRequest, match="Invalid image file"):
        media.upload(clip)


def test_empty_file_is_refused(media):
    fields = media.sign(public_id="empty")
    status, answer = media.post("upload", {**fields, "file": ("f.mp4", b"")}, "video")
    assert (status, answer["error"]["message"]) == (400, "Empty file")


def test_file_over_the_limit_is_refused(own_media, picture):
    small = own_media("--max-bytes", "100")
    with pytest.raises(BadRequest, match="File size too large"):
        small.upload(picture)


def test_remote_url_is_refused_unless_allowed(media):
    with pytest.raises(BadRequest, match="Remote uploads are off"):
        media.upload("http://127.0.0.1:9/picture.png")


def test_remote_url_is_fetched_where_allowed(own_media, media, picture):
    source = media.upload(picture, public_id="source")["url"]
    other = own_media("--remote-from", media.base)
    assert other.upload(source)["etag"] == hashlib.md5(picture.read_bytes()).hexdigest()


def test_unsigned_upload_needs_an_unsigned_preset(media, picture):
    from cloudinary import api

    api.create_upload_preset(name="open", unsigned=True, tags="open", **media.account)
    api.create_upload_preset(name="closed", **media.account)
    sent = cloudinary.uploader.unsigned_upload(str(picture), "open", **media.account)
    assert sent["tags"] == ["open"]
    with pytest.raises(AuthorizationRequired):
        cloudinary.uploader.unsigned_upload(str(picture), "closed", **media.account)
    with pytest.raises(BadRequest):
        cloudinary.uploader.unsigned_upload(str(picture), "missing", **media.account)
    with pytest.raises(BadRequest, match="not allowed"):
        cloudinary.uploader.unsigned_upload(str(picture), "open", eager="w_10", **media.account)


def test_destroyed_asset_is_gone(media, clip):
    answer = media.upload_video(clip, public_id="doomed")
    url = answer["url"]
    assert media.get(url).status == 200
    assert media.destroy("doomed") == "not found"
    assert media.destroy("doomed", resource_type="video") == "not found"
    assert media.get(url).status == 200
    assert media.destroy("doomed", resource_type="video", type="authenticated") == "ok"
    assert media.destroy("doomed", resource_type="video", type="authenticated") == "not found"
    assert media.get(url).status == 404
    assert not (media.data_dir / "assets" / answer["asset_id"][:2] / answer["asset_id"]).exists()
    with pytest.raises(NotFound):
        media.resource("doomed", resource_type="video", type="authenticated")


@pytest.fixture
def pieces():
    """Three chunks of 5 MiB, 5 MiB and a rest, with their ranges."""
    data = os.urandom(2 * MIN_CHUNK_BYTES + 1000)
    starts = range(0, len(data), MIN_CHUNK_BYTES)
    return data, [(data[at : at + MIN_CHUNK_BYTES], at) for at in starts]


def send(media, upload_id, chunk, start, total, **options):
    headers = {
        "X-Unique-Upload-Id": upload_id,
        "Content-Range": f"bytes {start}-{start + len(chunk) - 1}/{total}",
    }
    return cloudinary.uploader.upload_large_part(
        ("f.bin", chunk),
        http_headers=headers,
        resource_type="raw",
        public_id=upload_id,
        **media.account,
        **options,
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_chunks_make_the_file_in_any_order(media, pieces, order):
    data, chunks = pieces
    answers = [send(media, f"any{order[0]}", *chunks[at], len(data)) for at in order]
    assert [one["done"] for one in answers] == [False, False, True]
    assert answers[-1]["etag"] == hashlib.md5(data).hexdigest()
    assert media.get(answers[-1]["url"]).data == data


def test_public_id_outlasts_all_chunks_of_the_sdk(media, tmp_path):
    path = tmp_path / "film.bin"
    path.write_bytes(os.urandom(2 * MIN_CHUNK_BYTES + 1))
    answer = cloudinary.uploader.upload_large(
        str(path),
        resource_type="raw",
        public_id="sent/in-pieces",
        chunk_size=MIN_CHUNK_BYTES,
        **media.account,
    )
    assert answer["public_id"] == "sent/in-pieces"


def test_repeated_chunks_change_nothing(media, pieces):
    data, chunks = pieces
    for at in (0, 0, 1):
        send(media, "twice", *chunks[at], len(data))
    first = send(media, "twice", *chunks[2], len(data))
    again = send(media, "twice", *chunks[2], len(data))
    assert again["version"] == first["version"]
    assert again["etag"] == hashlib.md5(data).hexdigest()


def test_chunk_below_five_mebibytes_is_refused_unless_last(media):
    with pytest.raises(BadRequest, match="larger than 5mb"):
        send(media, "small", b"x" * (MIN_CHUNK_BYTES - 1), 0, 3 * MIN_CHUNK_BYTES)


def test_chunk_that_overlaps_is_refused(media, pieces):
    data, chunks = pieces
    send(media, "overlap", *chunks[0], len(data))
    with pytest.raises(BadRequest, match="overlaps"):
        send(media, "overlap", chunks[1][0], chunks[1][1] - 10, len(data))


def test_chunk_of_another_length_than_it_says_is_refused(media):
    headers = {
        "X-Unique-Upload-Id": "short",
        "Content-Range": f"bytes 0-{MIN_CHUNK_BYTES}/{MIN_CHUNK_BYTES * 2}",
    }
    fields = {**media.sign(public_id="short"), "file": ("f.bin", b"x" * 10)}
    assert media.post("upload", fields, "raw", headers)[0] == 400


@pytest.mark.parametrize(
    "header", ["bytes 5-1/10", "bytes 0-9/5", "0-9/10", "bytes a-b/c", "bytes 0-9/" + "9" * 40]
)
def test_odd_content_range_is_refused(media, header):
    fields = {**media.sign(public_id="odd"), "file": ("f.bin", b"x" * 10)}
    headers = {"X-Unique-Upload-Id": "odd", "Content-Range": header}
    assert media.post("upload", fields, "raw", headers)[0] == 400


def test_chunks_survive_a_restart(own_media, pieces):
    one = own_media()
    data, chunks = pieces
    send(one, "across", *chunks[0], len(data))
    send(one, "across", *chunks[1], len(data))
    one.stop()
    one.start()
    assert send(one, "across", *chunks[2], len(data))["etag"] == hashlib.md5(data).hexdigest()


def test_bad_chunked_file_leaves_nothing(media):
    headers = {"X-Unique-Upload-Id": "bad-film", "Content-Range": "bytes 0-9/10"}
    fields = {**media.sign(public_id="bad-film"), "file": ("f.mp4", b"0123456789")}
    assert media.post("upload", fields, "video", headers)[0] == 400
    assert not list((media.data_dir / "partial").glob(hashlib.sha256(b"bad-film").hexdigest()))


@pytest.mark.slow
def test_a_gibibyte_passes_with_flat_memory(own_media, tmp_path):
    one = own_media()
    path = tmp_path / "large.bin"
    with path.open("wb") as stream:
        stream.truncate(1024**3)

    def resident():
        status = Path(f"/proc/{one.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    before = resident()
    answer = cloudinary.uploader.upload_large(
        str(path), resource_type="raw", public_id="large", **one.account
    )
    assert answer["bytes"] == 1024**3
    assert resident() - before < 150 * 1024**2
    shutil.rmtree(one.data_dir / "assets")
