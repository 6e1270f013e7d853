"""What is inside an uploaded file: dimensions, duration, codecs. Decoders are forced, never guessed."""

from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.video.stream import VideoStream
from PIL import Image, UnidentifiedImageError

from cloudinary_local.errors import bad_request
from cloudinary_local.sniff import image_kind, read_head, video_demuxer, video_format

_PROBE_SECONDS = 20.0
_MICROSECONDS = 1_000_000


def probe_image(path: Path) -> dict[str, Any]:
    """Read an image's header; 400 for anything else."""
    kind = image_kind(read_head(path))
    if kind is None:
        raise bad_request("Invalid image file")
    try:
        with Image.open(path, formats=[kind]) as image:
            width, height = image.size
            pages = getattr(image, "n_frames", 1)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise bad_request("Invalid image file") from error
    return {
        "format": "jpg" if kind == "JPEG" else kind.lower(),
        "width": width,
        "height": height,
        "pages": pages,
    }


def probe_video(path: Path) -> dict[str, Any]:
    """Read a video's or a sound's streams; 400 for anything that cannot be played."""
    head = read_head(path)
    demuxer = video_demuxer(head)
    if demuxer is None:
        raise bad_request("Unsupported video format or file")
    options = {"protocol_whitelist": "file"}
    try:
        with av.open(f"file:{path}", format=demuxer, options=options, timeout=_PROBE_SECONDS) as container:
            found = _describe(container, path)
    except (FFmpegError, OSError, ValueError) as error:
        raise bad_request("Unsupported video format or file") from error
    return {"format": video_format(head, demuxer), "demuxer": demuxer, **found}


def _describe(container: Any, path: Path) -> dict[str, Any]:
    video = next((one for one in container.streams.video if one.codec_context.width), None)
    audio = next(iter(container.streams.audio), None)
    if video is None and audio is None:
        raise bad_request("Unsupported video format or file")
    seconds = _duration(container, video or audio)
    found: dict[str, Any] = {
        "duration": round(seconds, 6),
        "bit_rate": int(container.bit_rate or (path.stat().st_size * 8 / seconds if seconds else 0)),
        "is_audio": video is None,
        "audio": _audio(audio) if audio else {},
        "video": _video(video) if video else {},
        "pages": 0,
    }
    if video is not None:
        found |= _picture(container, video, seconds)
    return found


def _duration(container: Any, stream: Any) -> float:
    if container.duration:
        return float(container.duration / _MICROSECONDS)
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    last = 0.0
    for packet in container.demux(stream):
        if packet.pts is not None:
            last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return last


def _picture(container: Any, video: VideoStream, seconds: float) -> dict[str, Any]:
    rate = float(video.average_rate or video.guessed_rate or 0)
    context = video.codec_context
    rotation = _rotation(container, video)
    width, height = context.width, context.height
    if rotation in {90, 270}:
        # A phone's upright film is stored lying down; players and ffmpeg turn it by this note.
        width, height = height, width
    return {
        "width": width,
        "height": height,
        "frame_rate": round(rate, 4),
        "nb_frames": video.frames or round(seconds * rate),
        "rotation": rotation,
    }


def _rotation(container: Any, video: VideoStream) -> int:
    try:
        frame = next(container.decode(video))
    except StopIteration as error:
        raise bad_request("Unsupported video format or file") from error
    return int(getattr(frame, "rotation", 0)) % 360


def _video(video: VideoStream) -> dict[str, Any]:
    context = video.codec_context
    return {
        "pix_format": context.pix_fmt,
        "codec": context.name,
        "level": getattr(context, "level", None),
        "profile": context.profile,
        "bit_rate": str(video.bit_rate or ""),
        "time_base": f"{video.time_base.numerator}/{video.time_base.denominator}"
        if video.time_base
        else None,
    }


def _audio(audio: AudioStream) -> dict[str, Any]:
    context = audio.codec_context
    return {
        "codec": context.name,
        "bit_rate": str(audio.bit_rate or ""),
        "frequency": context.sample_rate,
        "channels": context.channels,
        "channel_layout": context.layout.name,
    }
