"""Look into a file that claims to be a video: by its first bytes, then with libav under a forced demuxer."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import puremagic

SNIFF_BYTES = 8192
# File extension as puremagic names it -> the one libav demuxer that may open it. Playlists and concat scripts
# are absent: they would let a file name other files or hosts.
DEMUXERS = {
    ".mp4": "mov", ".m4v": "mov", ".mov": "mov", ".qt": "mov", ".3gp": "mov", ".3g2": "mov", ".f4v": "mov",
    ".webm": "matroska", ".mkv": "matroska", ".avi": "avi", ".mpg": "mpeg", ".mpeg": "mpeg",
    ".flv": "flv", ".ogg": "ogg", ".ogv": "ogg", ".wmv": "asf", ".asf": "asf",
}  # fmt: skip
VIDEO_CODECS = {
    "h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video", "theora", "prores", "mjpeg",
    "dnxhd", "wmv3", "vc1", "msmpeg4v3", "h263", "flv1",
}  # fmt: skip
NO_FILM = {b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"M4A ", b"M4B "}
MAX_SIDE = 8192
MAX_PIXELS = 8192 * 4320
# No file or host but this one; no picture larger than it may be, whatever the container tells of it.
CONFINED = {"protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)}
# Containers round durations; a file that ends earlier than this before its own word was cut.
SLACK_SECONDS = 1.5
SLACK_SHARE = 0.05


class Unfit(Exception):
    """The file cannot become a video here. `code` is stable; the message tells its owner what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Facts:
    """What the probe found; duration in seconds, sizes in pixels as displayed."""

    duration: float
    width: int
    height: int
    codec: str
    has_audio: bool
    bytes: int
    sha256: str
    md5: str


def sniff(head: bytes) -> str | None:
    """Return the demuxer for a file that begins with these bytes; None when it is no video we take."""
    if head[4:8] == b"ftyp":  # brands are many; those of pictures and sound alone are few
        return None if head[8:12] in NO_FILM else "mov"
    try:
        guesses = puremagic.magic_string(head[:SNIFF_BYTES])
    except (puremagic.PureError, ValueError):
        return None
    # Weak signatures (a byte or two) also match text: only the best guess counts.
    best = max((guess.confidence for guess in guesses), default=0)
    endings = [guess.extension.lower() for guess in guesses if guess.confidence == best]
    return next((DEMUXERS[ending] for ending in endings if ending in DEMUXERS), None)


def digest(path: Path, check: Callable[[], None] = lambda: None) -> tuple[str, str]:
    """Return a file's SHA-256 and MD5, hex; `check` is called between pieces and may raise to stop."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(1 << 20):
            sha256.update(piece)
            md5.update(piece)
            check()
    return sha256.hexdigest(), md5.hexdigest()


def probe(path: Path, max_seconds: float, check: Callable[[], None] = lambda: None) -> Facts:
    """Measure a video file, reading all of it; raise Unfit with the reason when it cannot be used."""
    with open(path, "rb") as file:
        demuxer = sniff(file.read(SNIFF_BYTES))
    if demuxer is None:
        raise Unfit(
            "not_a_video", "This is not a video file we can read. Upload an MP4, MOV, WebM, MKV or AVI file."
        )
    try:
        with av.open(str(path), format=demuxer, options=CONFINED) as container:
            duration, stream = measure(container, max_seconds, check)
            width, height, codec = stream.width, stream.height, stream.codec_context.name
            has_audio = bool(container.streams.audio)
    except (av.FFmpegError, EOFError) as error:
        raise Unfit(
            "unreadable", "The file is damaged or not complete. Export it again and upload it."
        ) from error
    check_picture(width, height)
    sha256, md5 = digest(path, check)
    return Facts(duration, width, height, codec, has_audio, path.stat().st_size, sha256, md5)


def measure(
    container: av.container.InputContainer, max_seconds: float, check: Callable[[], None]
) -> tuple[float, av.VideoStream]:
    """Walk all packets of the picture: a cut file opens well and ends early."""
    if not container.streams.video:
        raise Unfit("no_video_stream", "The file has no picture. Upload a file with a video track.")
    stream = container.streams.video[0]
    told = told_seconds(container, stream)
    if told > max_seconds:
        raise Unfit("too_long", f"The video is longer than {max_seconds:g} seconds. Upload a shorter one.")
    # Before anything is decoded: only these decoders ever see the file.
    check_codec(stream.codec_context.name)
    check_picture(stream.width, stream.height)
    decode_one(container, stream)
    seen, is_cut = walk(container, stream, check)
    if seen <= 0:
        raise Unfit("unreadable", "The file holds no frames. Export it again and upload it.")
    if is_cut or told_of_stream(stream) - seen > max(SLACK_SECONDS, told * SLACK_SHARE):
        raise Unfit("truncated", "The file ends too early: part of it is missing. Upload the whole file.")
    if max(seen, told) > max_seconds:
        raise Unfit("too_long", f"The video is longer than {max_seconds:g} seconds. Upload a shorter one.")
    return told or seen, stream


def walk(
    container: av.container.InputContainer, stream: av.VideoStream, check: Callable[[], None]
) -> tuple[float, bool]:
    """Return the seconds that the packets span, and whether one of them is cut or missing."""
    first, end, count, is_cut = None, 0.0, 0, False
    for packet in container.demux():
        is_cut |= packet.is_corrupt
        if packet.stream is not stream or packet.size == 0:  # empty: the end of the stream
            continue
        count += 1
        if packet.pts is not None and packet.time_base:
            at = float(packet.pts * packet.time_base)
            first = at if first is None else min(first, at)
            end = max(end, at + float((packet.duration or 0) * packet.time_base))
        if count % 256 == 0:
            check()
    # MP4 tables say how many frames there are; edit lists may hide a few.
    return end - (first or 0.0), is_cut or count < stream.frames * 0.98 - 2


def told_of_stream(stream: av.VideoStream) -> float:
    """Return the duration that the picture's own header states, 0 if none, in seconds."""
    return float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0


def told_seconds(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Return the duration that the file states, 0 if none, in seconds."""
    return max(told_of_stream(stream), (container.duration or 0) / 1_000_000)


def decode_one(container: av.container.InputContainer, stream: av.VideoStream) -> None:
    """Decode the first picture, then go back to the start."""
    if next(container.decode(stream), None) is None:
        raise Unfit("unreadable", "No picture of this file can be decoded. Export it again and upload it.")
    container.seek(0, backward=True, any_frame=False)


def check_codec(codec: str) -> None:
    """Refuse codecs that the renderer could not handle."""
    if codec not in VIDEO_CODECS:
        raise Unfit("codec_not_supported", f"The codec {codec} is not supported. Export the video as H.264.")


def check_picture(width: int, height: int) -> None:
    """Refuse pictures that the renderer could not handle."""
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise Unfit(
            "too_large_picture", f"The picture is larger than {MAX_SIDE} pixels. Upload a smaller one."
        )
    if min(width, height) < 16:
        raise Unfit("too_small_picture", "The picture is smaller than 16 pixels. Upload a larger one.")
