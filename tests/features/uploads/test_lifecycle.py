"""What becomes of a film after its upload: pictures, captions, replacements, failures, retries, deletion."""

import hashlib
import io
import math
import subprocess
import time
from datetime import UTC, datetime, timedelta

import imageio_ffmpeg
import pytest
import requests
from PIL import Image
from pymongo import MongoClient

from tests.patience import patience
from tests.platform import CLIP, SMALL_CLIP, Platform, poll
from tests.stored import stored_names

VTT = "WEBVTT\n\n00:00.000 --> 00:02.000\nA rabbit wakes.\n"


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    limits = {"UPLOAD_MAX_SECONDS": "8", "PURGE_AFTER_SECONDS": "1"}
    with Platform(tmp_path_factory.mktemp("life"), **limits) as running:
        yield running


@pytest.fixture(scope="module")
def alice(platform):
    return platform.sign_up("alice").make_channel("alice")


@pytest.fixture(scope="module")
def bob(platform):
    return platform.sign_up("bob").make_channel("bob")


@pytest.fixture(scope="module")
def db(platform):
    with MongoClient(platform.stack.env["MONGO_URI"]) as client:
        yield client.get_default_database()


@pytest.fixture(scope="module")
def film(alice):
    """A small READY film that tests may read and decorate, not replace."""
    return make_ready(alice)


def make_ready(person, path=SMALL_CLIP):
    video = person.make_video()
    answer = person.upload(video, path)
    assert answer.status_code == 202, answer.text
    shown = person.await_end(video)
    assert shown["status"] == "READY", shown["status_detail"]
    return shown


def await_job(person, answer, state="succeeded"):
    assert answer.status_code == 202, answer.text
    path = f"/jobs/{answer.json()['job']}"
    poll(lambda: person.get(path).json()["state"] == state, 30, f"{path} {state}")


def picture(size=(1600, 900), kind="PNG"):
    data = io.BytesIO()
    Image.new("RGB", size, "teal").save(data, kind)
    return data.getvalue()


def put_picture(person, video, data, kind="image/png"):
    return person.call("PUT", f"/videos/{video}/thumbnail", data=data, headers={"Content-Type": kind})


# Failures


def make_bad(tmp_path, *options):
    path = tmp_path / "bad.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(CLIP), *options, str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.mark.parametrize("code", ["unreadable", "truncated", "too_long", "no_video_stream"])
def test_film_that_cannot_be_used_fails_with_a_reason(platform, alice, tmp_path, code):
    if code == "unreadable":
        content = CLIP.read_bytes()[:400_000]
    elif code == "truncated":
        whole = make_bad(tmp_path, "-c", "copy", "-movflags", "+faststart").read_bytes()
        content = whole[: len(whole) // 2]
    elif code == "too_long":
        content = make_bad(tmp_path, "-vf", "setpts=2*PTS,scale=160:90", "-an").read_bytes()
    else:
        content = make_bad(tmp_path, "-vn", "-c:a", "copy").read_bytes()
    video = alice.make_video()
    answer = alice.upload(video, content)
    assert answer.status_code == 202, answer.text
    shown = alice.await_end(video)
    assert shown["status"] == "FAILED"
    assert shown["status_detail"]["code"] == code
    assert shown["status_detail"]["message"].endswith(".") and not shown["status_detail"]["retryable"]
    assert "upload" in shown["_links"] and "retry" not in shown["_links"]
    poll(lambda: not platform.spool, 10, "an empty spool")
    poll(lambda: stored_names(platform, video) == [], 10, "nothing at Cloudinary")
    assert alice.upload(video, SMALL_CLIP).status_code == 202, "the video is still usable"
    assert alice.await_end(video)["status"] == "READY"


def test_bad_replacement_leaves_the_old_film_playing(platform, alice):
    film = make_ready(alice)
    assert alice.upload(film["_id"], CLIP.read_bytes()[:400_000]).status_code == 202
    after = poll(lambda: told(alice, film["_id"]), 30, "the reason")
    assert after["status"] == "READY" and after["media"] == film["media"]
    assert after["status_detail"]["code"] == "unreadable"
    urls = alice.get(f"/videos/{film['_id']}/playback").json()
    assert requests.get(urls["mp4"], timeout=patience(20)).status_code == 200
    assert alice.upload(film["_id"], CLIP).status_code == 202, "the next try is possible"


def told(person, video):
    shown = person.video(video)
    return shown if shown["status_detail"] else None


def test_second_upload_beside_a_running_one_is_409(alice):
    film = make_ready(alice)
    assert alice.upload(film["_id"], CLIP).status_code == 202
    answer = alice.upload(film["_id"], CLIP)
    assert answer.status_code == 409 and answer.json()["reason"] == "upload_in_progress"
    poll(lambda: alice.video(film["_id"])["media"]["bytes"] == CLIP.stat().st_size, 90, "the new file")


def test_refusal_of_a_second_upload_names_the_first(alice, film):
    path = f"/videos/{film['_id']}/uploads"
    begun = alice.post(path, {"mode": "resumable", "bytes": 1000})
    answer = alice.post(path, {"mode": "resumable", "bytes": 1000})
    assert answer.status_code == 409 and answer.json()["upload_url"] == begun.json()["upload_url"]
    assert alice.call("DELETE", answer.json()["upload_url"]).status_code == 204
    assert alice.video(film["_id"])["status"] == "READY"


def test_cancelled_job_leaves_nothing_and_can_be_retried(platform, alice):
    platform.stack.kill("worker")
    try:
        video = alice.make_video()
        job = alice.upload(video, SMALL_CLIP).json()["job"]
        assert "cancel" in alice.get(f"/jobs/{job}").json()["_links"]
        assert alice.post(f"/jobs/{job}/cancel").json()["state"] == "cancelled"
        shown = alice.video(video)
        assert shown["status"] == "FAILED" and shown["status_detail"]["code"] == "cancelled"
        assert "retry" in shown["_links"]
        assert alice.post(f"/videos/{video}/retry").status_code == 202
        assert alice.video(video)["status"] == "PROCESSING"
    finally:
        platform.stack.restart("worker")
    assert alice.await_end(video)["status"] == "READY"


def test_stranger_sees_no_job_of_others(alice, bob):
    video = alice.make_video()
    job = alice.upload(video, SMALL_CLIP).json()["job"]
    assert bob.get(f"/jobs/{job}").status_code == 404
    assert bob.post(f"/jobs/{job}/cancel").status_code == 404
    assert alice.get("/jobs").json()["_items"][0]["_id"] == job
    assert alice.await_end(video)["status"] == "READY"


# Pictures


def test_own_picture_becomes_the_thumbnail(platform, alice):
    film = make_ready(alice)
    await_job(alice, put_picture(alice, film["_id"], picture()))
    shown = alice.get(film["thumbnail"])
    with Image.open(io.BytesIO(shown.content)) as image:
        assert image.format == "JPEG" and image.size == (1280, 720)
    assert put_picture(alice, film["_id"], picture((800, 800), "JPEG"), "image/jpeg").status_code == 202
    covers = lambda: [name for name in stored_names(platform, film["_id"], "image") if "cover" in name]  # noqa: E731
    poll(
        lambda: len(covers()) == 1 and picture_size(alice, film) == (720, 720), 20, "the old picture deleted"
    )


def picture_size(person, film):
    with Image.open(io.BytesIO(person.get(film["thumbnail"]).content)) as image:
        return image.size


def test_picture_from_the_film_becomes_the_thumbnail(alice):
    film = make_ready(alice)
    before = alice.get(film["thumbnail"]).content
    await_job(alice, alice.call("PUT", f"/videos/{film['_id']}/thumbnail", json={"at": 3}))
    assert alice.get(film["thumbnail"]).content != before
    assert ",so_3.00," in alice.video(film["_id"])["thumbnails"][-1]["eager"]


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"not a picture", "image/png", 415),
        (picture()[:2000], "image/png", 415),
        (picture((10, 10)), "image/png", 415),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 415),
        (b"GIF89a" + bytes(100), "image/jpeg", 415),
        (b"\0" * (8 * 1024 * 1024 + 1), "image/png", 413),
        (b'{"at": -1}', "application/json", 422),
        (b'{"at": 1e9}', "application/json", 422),
        (b'{"at": true}', "application/json", 422),
        (b'{"when": 1}', "application/json", 422),
    ],
)
def test_bad_pictures_are_refused(alice, film, data, kind, status):
    assert put_picture(alice, film["_id"], data, kind).status_code == status


def test_seek_bar_has_small_pictures(alice, film):
    url = alice.get(f"/videos/{film['_id']}/playback").json()["storyboard"]
    listed = requests.get(url, timeout=patience(20))
    assert listed.status_code == 200 and listed.headers["Content-Type"].startswith("text/vtt")
    parts = [line for line in listed.text.splitlines() if line.startswith("http")]
    assert len(parts) == math.ceil(film["duration"])
    sheet = requests.get(parts[0].partition("#")[0], timeout=patience(20))
    with Image.open(io.BytesIO(sheet.content)) as image:
        x, y, width, height = map(int, parts[-1].partition("#xywh=")[2].split(","))
        assert x + width <= image.width and y + height <= image.height
    assert requests.get(url.replace("expires=", "expires=1"), timeout=patience(20)).status_code == 403


# Captions and chapters


def test_captions_are_kept_per_language(alice, bob, film):
    path = f"/videos/{film['_id']}/captions"
    assert alice.post(path, {"language": "en", "text": VTT}).status_code == 201
    assert alice.post(path, {"language": "en", "text": VTT}).status_code == 409
    assert alice.post(path, {"language": "de", "text": VTT}).status_code == 201
    assert bob.get(path).status_code == 404, "a private film"
    assert bob.post(path, {"language": "fr", "text": VTT}).status_code in (403, 404)
    listed = alice.get(f"/videos/{film['_id']}/playback").json()["captions"]
    assert [one["language"] for one in listed] == ["en", "de"]
    answer = requests.get(listed[0]["url"], timeout=patience(20))
    assert answer.text == VTT and answer.headers["Content-Type"].startswith("text/vtt")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert requests.get(listed[0]["url"][:-1] + "0", timeout=patience(20)).status_code == 403


@pytest.mark.parametrize("text", ["words", "WEBVTT\n\n00:05.000 --> 00:01.000\nback\n"])
def test_captions_that_are_no_webvtt_are_refused(alice, film, text):
    answer = alice.post(f"/videos/{film['_id']}/captions", {"language": "it", "text": text})
    assert answer.status_code == 422 and answer.json()["reason"] == "bad_captions"


@pytest.mark.parametrize("starts", [[1], [0, 2, 2], [0, 3, 1], [0, 99]])
def test_chapters_out_of_order_are_refused(alice, film, starts):
    chapters = [{"start": start, "title": "x"} for start in starts]
    assert patch(alice, film["_id"], {"chapters": chapters}).status_code == 422


def patch(person, video, values):
    return person.call("PATCH", f"/videos/{video}", json=values, headers={"If-Match": "*"})


def test_chapters_in_order_are_kept(alice, film):
    chapters = [{"start": 0, "title": "Waking"}, {"start": 2.5, "title": "Running"}]
    assert patch(alice, film["_id"], {"chapters": chapters}).status_code == 200
    assert alice.video(film["_id"])["chapters"] == chapters


# Publication


def test_making_it_public_by_an_edit_publishes_it_too(alice):
    film = make_ready(alice)
    assert patch(alice, film["_id"], {"visibility": "public"}).json()["published_at"]


def test_public_before_ready_is_published_when_ready(alice):
    video = alice.make_video(visibility="public")
    assert not alice.video(video).get("published_at")
    assert alice.upload(video, SMALL_CLIP).status_code == 202
    assert alice.await_end(video)["published_at"]


def test_film_is_published_at_its_moment(platform, alice, bob):
    film = make_ready(alice)
    moment = datetime.now(UTC) + timedelta(seconds=3)
    assert patch(alice, film["_id"], {"publish_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}).status_code == 200
    assert bob.get(f"/videos/{film['_id']}").status_code == 404
    poll(lambda: bob.get(f"/videos/{film['_id']}").status_code == 200, 15, "published")
    assert alice.video(film["_id"])["published_at"]


def test_unpublished_film_is_gone_for_others(alice, bob):
    film = make_ready(alice)
    assert alice.post(f"/videos/{film['_id']}/publish").status_code == 200
    assert bob.get(f"/videos/{film['_id']}/playback").status_code == 200
    assert alice.post(f"/videos/{film['_id']}/unpublish").status_code == 200
    assert bob.get(f"/videos/{film['_id']}/playback").status_code == 404


# Ways in


def test_direct_upload_skips_us_and_becomes_ready(platform, alice):
    video = alice.make_video()
    content = SMALL_CLIP.read_bytes()
    wish = {"mode": "direct", "bytes": len(content), "filename": "a.mp4", "content_type": "video/mp4"}
    form = alice.post(f"/videos/{video}/uploads", wish)
    assert form.status_code == 201, form.text
    form = form.json()
    began = time.monotonic()
    sent = requests.post(
        form["upload_url"], data=form["fields"], files={"file": ("a.mp4", content)}, timeout=patience(30)
    )
    assert sent.status_code == 200, sent.text
    shown = alice.await_end(video)
    assert shown["status"] == "READY", shown["status_detail"]
    assert time.monotonic() - began < patience(14), "the webhook completes it, not the first timer"
    assert shown["media"]["checksum"] == f"md5:{hashlib.md5(content).hexdigest()}"
    assert stored_names(platform, "incoming") == []
    again = requests.post(
        form["upload_url"],
        data=form["fields"],
        files={"file": ("b.mp4", CLIP.read_bytes())},
        timeout=patience(30),
    )
    assert again.status_code == 200, "the form is still good at Cloudinary"
    assert alice.video(video)["media"] == shown["media"], "and changes nothing here"


def by_form(alice, content):
    video = alice.make_video()
    assert alice.upload(video, content).status_code == 202
    return video


def by_pieces(alice, content):
    video = alice.make_video()
    begun = alice.post(f"/videos/{video}/uploads", {"mode": "resumable", "bytes": len(content)})
    kind = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    for start in range(0, len(content), 50_000):
        headers = {**kind, "Upload-Offset": str(start)}
        piece = content[start : start + 50_000]
        answer = alice.call("PATCH", begun.json()["upload_url"], data=piece, headers=headers)
        assert answer.status_code == 204, answer.text
    return video


def directly(alice, content, declared=None):
    video = alice.make_video()
    wish = {"mode": "direct", "bytes": declared or len(content)}
    form = alice.post(f"/videos/{video}/uploads", wish).json()
    file = {"file": ("a.mp4", content)}
    assert (
        requests.post(form["upload_url"], data=form["fields"], files=file, timeout=patience(30)).status_code
        == 200
    )
    return video


def once_more(alice, content):
    video = make_ready(alice, CLIP)["_id"]
    assert alice.upload(video, content).status_code == 202
    poll(lambda: alice.video(video)["media"]["bytes"] == len(content), 60, "the new file")
    return video


def offering(alice, video):
    """All that a viewer is offered of a film, without what names the film; every URL is fetched."""
    shown, play = alice.await_end(video), alice.get(f"/videos/{video}/playback").json()
    assert shown["status"] == "READY", shown["status_detail"]
    tiles = requests.get(play["storyboard"], timeout=patience(20)).text.splitlines()
    sheet = next(line for line in tiles if line.startswith("http")).partition("#")[0]
    found = {}
    for name in ("hls", "mp4", "thumbnail"):
        found[name] = requests.get(play[name], timeout=patience(20))
    found["sheet"] = requests.get(sheet, timeout=patience(20))
    assert {name: answer.status_code for name, answer in found.items()} == dict.fromkeys(found, 200)
    with Image.open(io.BytesIO(found["sheet"].content)) as image:
        size = image.size
    media = {name: shown["media"][name] for name in ("format", "bytes", "width", "height")}
    return {
        "film": [shown["width"], shown["height"], round(shown["duration"], 1)],
        "media": media,
        "renditions": [[one[name] for name in ("name", "width", "height")] for one in play["renditions"]],
        "thumbnail": found["thumbnail"].headers["Content-Type"],
        "tiles": [line.rpartition("#")[2] for line in tiles if "://" not in line or "#" in line],
        "sheet": size,
        "hls": found["hls"].text.count("#EXT-X-STREAM-INF"),
    }


def test_four_ways_in_give_the_same_things(platform, alice):
    content = SMALL_CLIP.read_bytes()
    offered = [offering(alice, way(alice, content)) for way in (by_form, by_pieces, once_more, directly)]
    assert offered[0]["tiles"] and offered == [offered[0]] * 4
    poll(lambda: not platform.spool, 10, "an empty spool")


def test_direct_upload_of_another_size_than_declared_fails_and_leaves_nothing(platform, alice):
    content = SMALL_CLIP.read_bytes()
    video = directly(alice, content, len(content) + 1)
    shown = alice.await_end(video)
    assert (shown["status"], shown["status_detail"]["code"]) == ("FAILED", "size_mismatch")
    poll(lambda: stored_names(platform, video) == [], 10, "nothing at Cloudinary")


def test_digest_that_could_not_be_checked_is_refused(alice):
    wish = {"mode": "direct", "bytes": 1000, "sha256": "0" * 64}
    answer = alice.post(f"/videos/{alice.make_video()}/uploads", wish)
    assert answer.status_code == 422 and "sha256" in answer.json()["issues"]


def test_direct_upload_of_too_long_a_film_fails_and_leaves_nothing(platform, alice, tmp_path):
    video = alice.make_video()
    content = make_bad(tmp_path, "-vf", "setpts=2*PTS,scale=160:90", "-an").read_bytes()
    begun = alice.post(f"/videos/{video}/uploads", {"mode": "direct", "bytes": len(content)})
    form, upload = begun.json(), begun.headers["Location"].rpartition("/")[2]
    requests.post(
        form["upload_url"], data=form["fields"], files={"file": ("a.mp4", content)}, timeout=patience(30)
    )
    shown = alice.await_end(video)
    assert shown["status"] == "FAILED" and shown["status_detail"]["code"] == "too_long"
    poll(lambda: stored_names(platform, video) == [], 10, "nothing at Cloudinary")
    poll(
        lambda: f"marquee/incoming/{upload}" not in stored_names(platform, "incoming"), 10, "nothing incoming"
    )


def test_direct_upload_can_be_given_up(platform, alice):
    video = alice.make_video()
    platform.stack.kill("worker")
    try:
        begun = alice.post(f"/videos/{video}/uploads", {"mode": "direct", "bytes": 10})
        form = begun.json()
        file = {"file": ("a.mp4", SMALL_CLIP.read_bytes())}
        assert (
            requests.post(
                form["upload_url"], data=form["fields"], files=file, timeout=patience(30)
            ).status_code
            == 200
        )
        assert alice.call("DELETE", begun.headers["Location"]).status_code == 204
        assert alice.video(video)["status"] == "DRAFT"
    finally:
        platform.stack.restart("worker")
    name = f"marquee/incoming/{begun.headers['Location'].rpartition('/')[2]}"
    poll(lambda: name not in stored_names(platform, "incoming"), 20, "what had arrived is deleted")


def test_upload_that_replaces_a_failed_one_leaves_nothing_of_it(platform, alice):
    platform.stack.kill("worker")
    try:
        video = alice.make_video()
        job = alice.upload(video, SMALL_CLIP).json()["job"]
        assert alice.post(f"/jobs/{job}/cancel").status_code == 200
        assert len(platform.spool) == 1, "kept for a retry"
        assert alice.upload(video, CLIP).status_code == 202
        assert len(platform.spool) == 1, "the newer one alone"
        assert alice.post(f"/jobs/{job}/retry").status_code == 409
    finally:
        platform.stack.restart("worker")
    assert alice.await_end(video)["status"] == "READY"
    assert stored_names(platform, video) == [f"marquee/{video}/2"]


# Deletion


def test_deleted_film_is_purged_with_all_its_files(platform, alice, db):
    film = make_ready(alice)
    await_job(alice, put_picture(alice, film["_id"], picture()))
    answer = alice.call("DELETE", f"/videos/{film['_id']}", headers={"If-Match": "*"})
    assert answer.status_code == 204
    poll(
        lambda: (
            db.videos.find_one({"title": "A film", "media.public_id": film["media"]["public_id"]}) is None
        ),
        20,
        "purged",
    )
    poll(lambda: stored_names(platform, film["_id"]) == [], 20, "no video at Cloudinary")
    poll(lambda: stored_names(platform, film["_id"], "image") == [], 20, "no picture at Cloudinary")


def test_channel_takes_its_films_and_their_files_along(platform, db):
    eve = platform.sign_up("eve").make_channel("eve")
    film = make_ready(eve)
    assert eve.call("DELETE", f"/channels/{eve.channel}", headers={"If-Match": "*"}).status_code == 204
    poll(lambda: stored_names(platform, film["_id"]) == [], 30, "no file at Cloudinary")


def test_restored_film_plays_again(platform, alice, db):
    film = make_ready(alice)
    path = f"/videos/{film['_id']}"
    platform.stack.kill("beat")
    try:
        assert alice.call("DELETE", path, headers={"If-Match": "*"}).status_code == 204
        assert alice.get(f"{path}/playback").status_code == 404
        assert alice.post(f"{path}/restore").status_code == 200
    finally:
        platform.stack.restart("beat")
    assert alice.get(f"{path}/playback").status_code == 200
