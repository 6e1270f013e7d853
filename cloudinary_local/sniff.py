"""What a file is by its first bytes; its name is never asked."""

from pathlib import Path

HEAD_BYTES = 4096

_IMAGE_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
# Demuxer names of ffmpeg. Playlists (hls, dash, concat) are absent on purpose: they open other files.
_VIDEO_MAGIC = (
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"FLV\x01", "flv"),
    (b"OggS", "ogg"),
    (b"0&\xb2u\x8ef\xcf\x11", "asf"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (b"\xff\xfb", "mp3"),
    (b"\xff\xf3", "mp3"),
    (b"\xff\xf2", "mp3"),
    (b"\xff\xf1", "aac"),
    (b"\xff\xf9", "aac"),
)
_ISO_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_TS_PACKET = 188


def read_head(path: Path) -> bytes:
    """Read the bytes that decide."""
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def image_kind(head: bytes) -> str | None:
    """Name the Pillow plugin for an image, or None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for magic, kind in _IMAGE_MAGIC if head.startswith(magic)), None)


def video_demuxer(head: bytes) -> str | None:
    """Name the only ffmpeg demuxer that may open this file, or None."""
    if head[4:8] in _ISO_BOXES:
        return "mov"
    if head[:4] == b"RIFF":
        return {b"AVI ": "avi", b"WAVE": "wav"}.get(head[8:12])
    if len(head) > 2 * _TS_PACKET and all(head[at] == 0x47 for at in (0, _TS_PACKET, 2 * _TS_PACKET)):
        return "mpegts"
    return next((kind for magic, kind in _VIDEO_MAGIC if head.startswith(magic)), None)


def video_format(head: bytes, demuxer: str) -> str:
    """Name the format as the protocol does (a file extension)."""
    if demuxer == "mov":
        brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
        return {b"qt  ": "mov", b"M4A ": "m4a", b"M4V ": "m4v"}.get(
            brand, "3gp" if brand[:3] == b"3gp" else "mp4"
        )
    if demuxer == "matroska":
        return "webm" if b"webm" in head[:64] else "mkv"
    return {"mpegts": "ts", "mpeg": "mpg", "asf": "wmv"}.get(demuxer, demuxer)
