"""Files that are two things at once: refused, or films of which nothing but what was made anew is served."""

import io
import struct
import subprocess
import zipfile
from urllib.parse import urljoin, urlsplit

import imageio_ffmpeg
import pytest
import requests

from tests.patience import patience
from tests.platform import SMALL_CLIP, poll
from tests.stored import stored_names

FILM = SMALL_CLIP.read_bytes()
MARK = b"polyglot-was-here"
HTML = b"<!doctype html><html><script>alert('" + MARK + b"')</script></html>"
SCRIPT = b"#!/bin/sh\necho " + MARK + b"\nexit 0\n"
PDF = (
    b"%PDF-1.4\n1 0 obj<</S/JavaScript/JS(app.alert('"
    + MARK
    + b"'))>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)
FRAGMENTS = ("-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof")


@pytest.fixture(scope="module")
def platform(journeys):
    return journeys


@pytest.fixture(scope="module")
def alice(platform):
    return platform.sign_up("polly").make_channel("polly")


def made(folder, ending, *options):
    """Return the clip in another container."""
    path = folder / f"made.{ending}"
    ffmpeg = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-y",
        "-i",
        str(SMALL_CLIP),
        *options,
        str(path),
    ]
    subprocess.run(ffmpeg, check=True)
    return path.read_bytes()


def packed():
    """Return a zip that unpacks from wherever it stands at the end of a file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("index.html", HTML)
    return stream.getvalue()


def with_box_inside(folder, content):
    """Return a film of fragments whose second box (ISO/IEC 14496-12 `free`) holds something else."""
    film = made(folder, "mp4", *FRAGMENTS)
    (first,) = struct.unpack(">I", film[:4])
    return film[:first] + struct.pack(">I4s", 8 + len(content), b"free") + content + film[first:]


def with_chapter(folder):
    notes = folder / "notes.txt"
    notes.write_text(f";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=2\ntitle={MARK.decode()}\n")
    return made(folder, "mp4", "-i", str(notes), "-map_metadata", "1", "-map_chapters", "1", "-c", "copy")


def with_attachment(folder):
    page = folder / "page.html"
    page.write_bytes(HTML)
    return made(folder, "mkv", "-c", "copy", "-attach", str(page), "-metadata:s:t", "mimetype=text/html")


# A film all the same; what else it is must not come out again.
FILMS = {
    "mp4_then_html": lambda folder: FILM + HTML,
    "mp4_then_zip": lambda folder: FILM + packed(),
    "mp4_then_script": lambda folder: FILM + SCRIPT,
    "mp4_around_html": lambda folder: with_box_inside(folder, HTML),
    "mp4_around_pdf": lambda folder: with_box_inside(folder, PDF) + PDF,
    "mp4_with_html_in_its_title": lambda folder: made(
        folder,
        "mp4",
        "-c",
        "copy",
        "-metadata",
        f"title={HTML.decode()}",
        "-metadata:s:v",
        f"handler_name={HTML.decode()}",
    ),
    "mkv_with_html_in_its_title": lambda folder: made(
        folder, "mkv", "-c", "copy", "-metadata", f"title={HTML.decode()}"
    ),
    "mp4_with_a_named_chapter": with_chapter,
    "mkv_with_a_page_attached": with_attachment,
    "avi_then_html": lambda folder: made(folder, "avi", "-c:v", "mpeg4", "-an") + HTML,
}
# Something else first: what a browser, a shell or a reader of pictures would take it for.
OTHERS = {
    "html_then_mp4": lambda folder: HTML + FILM,
    "script_then_mkv": lambda folder: SCRIPT + made(folder, "mkv", "-c", "copy"),
    "script_then_mp4": lambda folder: SCRIPT + FILM,
    "gif_that_is_script": lambda folder: b"GIF89a=1;alert('" + MARK + b"')//" + FILM,
    "jpeg_then_mp4": lambda folder: b"\xff\xd8\xff\xfe" + struct.pack(">H", 60) + HTML[:58] + FILM,
    "pdf_then_mp4": lambda folder: PDF + FILM,
    "zip_then_mp4": lambda folder: packed() + FILM,
    "png_then_mp4": lambda folder: b"\x89PNG\r\n\x1a\n" + FILM,
    "ffconcat_then_mp4": lambda folder: b"ffconcat version 1.0\nfile /etc/passwd\n" + FILM,
    "m3u8_then_mp4": lambda folder: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n" + FILM,
    "program_then_mp4": lambda folder: b"\x7fELF" + bytes(60) + FILM,
    # These begin as a film does, and are none.
    "ftyp_then_html": lambda folder: FILM[:32] + HTML * 200,
    "ftyp_then_ffconcat": lambda folder: FILM[:32] + b"\nffconcat version 1.0\nfile /etc/passwd\n" * 20,
    "ftyp_then_zip": lambda folder: FILM[:32] + packed(),
    "ftyp_of_jpeg": lambda folder: struct.pack(">I8s", 20, b"ftypisom") + b"\xff\xd8\xff\xe0" * 2 + HTML * 99,
    "matroska_then_html": lambda folder: b"\x1aE\xdf\xa3" + HTML * 99,
    "avi_then_nothing_but_html": lambda folder: b"RIFF\xff\xff\0\0AVI LIST" + HTML * 99,
}


def served(alice, video):
    """Fetch all that is served of a film: files, pictures, playlists, segments."""
    play = alice.get(f"/videos/{video}/playback").json()
    urls = [play["thumbnail"], *(one["url"] for one in play["renditions"])]
    tiles = requests.get(play["storyboard"], timeout=patience(20)).text.splitlines()
    urls += [next(line for line in tiles if line.startswith("http")).partition("#")[0]]
    lists = [play["hls"]]
    for place in lists:
        lines = [
            line
            for line in requests.get(place, timeout=patience(20)).text.splitlines()
            if line[:1] not in ("", "#")
        ]
        lists += [urljoin(place, line) for line in lines if is_playlist(line)]
        urls += [urljoin(place, line) for line in lines if not is_playlist(line)]
    return [requests.get(url, timeout=patience(20)) for url in [*lists, *urls]]


def is_playlist(line):
    """The token of a segment names the playlists too."""
    return urlsplit(line).path.endswith(".m3u8")


def assert_harmless(alice, video):
    answers = served(alice, video)
    kinds = {"application/vnd.apple.mpegurl", "video/mp2t", "video/mp4", "image/jpeg"}
    assert {answer.headers["Content-Type"].partition(";")[0] for answer in answers} == kinds
    for answer in answers:
        assert answer.status_code == 200 and answer.headers["X-Content-Type-Options"] == "nosniff"
        assert MARK not in answer.content, answer.url


def assert_original_stays_inside(platform, alice, video):
    """The URLs of a film open what was made of it, not the file that came."""
    play, media = alice.get(f"/videos/{video}/playback").json(), alice.video(video)["media"]
    token = play["mp4"].partition("?")[2]
    place = f"{platform.stack.env['MEDIA_DELIVERY_URL']}/local/video/authenticated"
    for name in (f"v{media['version']}/marquee/{video}/1", f"marquee/{video}/1"):
        for ending in ("", ".mp4", f".{media['format']}"):
            assert requests.get(f"{place}/{name}{ending}?{token}", timeout=patience(20)).status_code in (
                401,
                404,
            )


def leaves_nothing(platform, video):
    poll(lambda: not platform.spool, 10, "an empty spool")
    poll(lambda: not any(stored_names(platform, video, kind) for kind in ("video", "image")), 10, "no file")


@pytest.mark.parametrize("name", FILMS)
def test_film_that_is_also_something_else_is_served_as_what_was_made_anew(platform, alice, tmp_path, name):
    video = alice.make_video()
    content = FILMS[name](tmp_path)
    assert MARK in content or b"PK\3\4" in content
    assert alice.upload(video, content).status_code == 202
    shown = alice.await_end(video)
    assert shown["status"] == "READY", shown["status_detail"]
    assert_harmless(alice, video)
    assert_original_stays_inside(platform, alice, video)
    poll(lambda: not platform.spool, 10, "an empty spool")


@pytest.mark.parametrize("name", OTHERS)
def test_what_only_looks_like_a_film_is_refused_or_fails_with_a_reason(platform, alice, tmp_path, name):
    video = alice.make_video()
    answer = alice.upload(video, OTHERS[name](tmp_path))
    if answer.status_code == 202:
        shown = alice.await_end(video)
        assert shown["status"] == "FAILED" and shown["status_detail"]["code"] in (
            "unreadable",
            "not_a_video",
            "no_video_stream",
        )
        assert shown["status_detail"]["message"] and not shown["status_detail"]["retryable"]
    else:
        assert (answer.status_code, answer.json()["reason"]) == (415, "not_a_video")
    leaves_nothing(platform, video)


@pytest.mark.parametrize("name", [*FILMS, *OTHERS])
def test_polyglot_that_skips_us_is_served_as_what_was_made_anew_or_leaves_nothing(
    platform, alice, tmp_path, name
):
    video = alice.make_video()
    content = {**FILMS, **OTHERS}[name](tmp_path)
    begun = alice.post(f"/videos/{video}/uploads", {"mode": "direct", "bytes": len(content)})
    form, upload = begun.json(), begun.headers["Location"].rpartition("/")[2]
    sent = requests.post(
        form["upload_url"], data=form["fields"], files={"file": content}, timeout=patience(30)
    )
    if sent.status_code == 400:
        assert name in OTHERS
        assert alice.call("DELETE", begun.headers["Location"]).status_code == 204
    else:
        shown = alice.await_end(video)
        assert (shown["status"] == "READY") == (name in FILMS), shown["status_detail"]
        if name in FILMS:
            assert_harmless(alice, video)
            assert_original_stays_inside(platform, alice, video)
    if name in OTHERS:
        leaves_nothing(platform, video)
    poll(lambda: f"marquee/incoming/{upload}" not in stored_names(platform, "incoming"), 10, "no file")
