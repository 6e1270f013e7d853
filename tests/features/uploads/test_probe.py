"""What a file really is."""

import subprocess

import imageio_ffmpeg
import pytest

from features.uploads.probe import Unfit, probe, sniff
from tests.platform import CLIP, SMALL_CLIP

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def make(path, *options):
    """Make a file of the clip with ffmpeg."""
    subprocess.run([FFMPEG, "-v", "error", "-y", "-i", str(CLIP), "-t", "2", *options, str(path)], check=True)
    return path


def code_of(path, limit=100):
    with pytest.raises(Unfit) as refusal:
        probe(path, limit)
    assert refusal.value.message.endswith("."), "a sentence"
    return refusal.value.code


def test_real_film_is_measured():
    facts = probe(CLIP, 100)
    assert (facts.width, facts.height, facts.codec, facts.has_audio) == (1280, 720, "h264", True)
    assert facts.duration == pytest.approx(5.31, abs=0.05) and facts.bytes == CLIP.stat().st_size
    assert len(facts.sha256) == 64 and len(facts.md5) == 32


@pytest.mark.parametrize(
    ("ending", "options"),
    [
        ("mov", ["-c", "copy"]),
        ("mkv", ["-c", "copy"]),
        ("flv", ["-c", "copy"]),
        ("webm", ["-c:v", "libvpx", "-deadline", "realtime", "-an"]),
        ("avi", ["-c:v", "mpeg4", "-an"]),
        ("mpg", ["-c:v", "mpeg2video", "-an"]),
    ],
)
def test_other_containers_are_read(tmp_path, ending, options):
    assert probe(make(tmp_path / f"a.{ending}", *options), 100).duration == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("share", [0.3, 0.8, 0.99, 0.99999])
def test_cut_film_is_told_from_a_whole_one(tmp_path, share):
    whole = make(tmp_path / "whole.mp4", "-c", "copy", "-movflags", "+faststart").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: int(len(whole) * share)])
    assert code_of(cut) == "truncated"


def test_film_without_its_table_is_unreadable(tmp_path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(CLIP.read_bytes()[:500_000])
    assert code_of(cut) == "unreadable"


def test_sound_alone_has_no_video_stream(tmp_path):
    assert code_of(make(tmp_path / "sound.mp4", "-vn", "-c:a", "copy")) == "no_video_stream"


def test_longer_than_allowed_is_too_long():
    assert code_of(CLIP, limit=5) == "too_long"


def test_film_of_exactly_the_limit_passes():
    assert probe(SMALL_CLIP, 4.01).duration <= 4.01


@pytest.mark.parametrize("size", ["8x8"])
def test_tiny_picture_is_refused(tmp_path, size):
    assert code_of(make(tmp_path / "tiny.avi", "-s", size, "-c:v", "mpeg4", "-an")) == "too_small_picture"


def test_playlist_that_looks_like_a_film_is_not_followed(tmp_path):
    """An MP4 header in front of a playlist: the demuxer stays the one that was chosen."""
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(CLIP.read_bytes())
    file = tmp_path / "poly.mp4"
    file.write_bytes(
        b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + f"ffconcat version 1.0\nfile {secret}\n".encode()
    )
    assert code_of(file) == "unreadable"


@pytest.mark.parametrize(
    "head",
    [
        b"", b"x", b"WEBVTT\n", b"#EXTM3U\n#EXTINF:1,\nhttp://10.0.0.1/\n", b"ffconcat version 1.0\nfile x\n",
        b"<html>", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n" + bytes(99), b"GIF89a" + bytes(99),
        b"\xff\xd8\xff\xe0" + bytes(99),
        b"ID3\x03" + bytes(99), b"RIFF\0\0\0\0WAVEfmt " + bytes(99), b"\0\0\0\x1cftypheic" + bytes(99), bytes(9000),
        b"\0\0\0\x1cftypavif" + bytes(99), b"{}" * 99, b"#!/bin/sh\n", b"MZ" + bytes(99),
    ],
)  # fmt: skip
def test_first_bytes_of_what_is_no_video(head):
    assert sniff(head) is None


@pytest.mark.parametrize("path", [CLIP, SMALL_CLIP])
def test_first_bytes_of_a_film(path):
    assert sniff(path.read_bytes()[:8192]) == "mov"
