"""The arguments that make ffmpeg derive videos, streams and frames: lists only, one forced demuxer."""

from pathlib import Path
from typing import Any

from cloudinary_local.errors import bad_request
from cloudinary_local.geometry import Fit, fit, number, seconds
from cloudinary_local.profiles import Variant, bits, even
from cloudinary_local.transformation import Step

SEGMENT_SECONDS = 4
_KEYFRAMES = ["-force_key_frames", "expr:gte(t,n_forced*2)", "-sc_threshold", "0"]
_X264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
_AAC = ["-c:a", "aac", "-b:a", "128k", "-ac", "2"]
_UNDERSTOOD = {
    "ac",
    "af",
    "ar",
    "br",
    "c",
    "du",
    "eo",
    "f",
    "fl",
    "fps",
    "g",
    "h",
    "ki",
    "q",
    "so",
    "sp",
    "vc",
    "w",
}
_WITHOUT_INDEX = {"mpegts", "mpeg"}
_VIDEO_CODECS = {"h264", "auto", "vp9", "vp8"}
_CRF_BY_QUALITY = {"auto": 23, "best": 18, "good": 23, "eco": 27, "low": 30}


# What the file says of itself (titles, places, chapters) stays in the original: viewers get pictures and sound.
_CLEAN = ["-map_metadata", "-1", "-map_chapters", "-1"]


def input_args(source: Path, facts: dict[str, Any], steps: list[Step], still: bool = False) -> list[str]:
    """Build the arguments that open the source, trimmed by so_, eo_ and du_."""
    for step in steps:
        unknown = set(step) - _UNDERSTOOD
        if unknown:
            raise bad_request(f"Transformation parameter not supported - {sorted(unknown)[0]}")
    duration = float(facts.get("duration", 0))
    start = _offset(steps, "so", duration)
    end = _offset(steps, "eo", duration)
    length = _offset(steps, "du", duration)
    if still:
        # A frame asked for at or after the end is the last one there is.
        start = min(duration / 2 if start is None else start, max(0.0, duration - _one_frame(facts)))
        length = end = None
    elif start is not None and start >= duration:
        raise bad_request("Start offset is beyond the end of the video")
    args = ["-protocol_whitelist", "file", "-f", facts["demuxer"]]
    seek = ["-ss", f"{start:.3f}"] if start else []
    # Formats without an index cannot seek before decoding: read them from the start instead.
    slow = seek if facts["demuxer"] in _WITHOUT_INDEX else []
    args += [] if slow else seek
    if length is None and end is not None:
        length = end - (start or 0)
    if length is not None:
        if length <= 0:
            raise bad_request("Invalid duration in transformation")
        slow = [*slow, "-t", f"{length:.3f}"]
    return [*args, "-i", f"file:{source}", *slow, *_CLEAN]


def video_args(facts: dict[str, Any], steps: list[Step], extension: str, target: Path) -> list[str]:
    """Build the arguments that write one video or sound file."""
    size, chain = _filters(facts, steps)
    sound = bool(facts.get("audio")) and _last(steps, "ac") != "none"
    if extension in {"mp3", "m4a"} or facts.get("is_audio"):
        if not facts.get("audio"):
            raise bad_request("The video has no sound")
        return ["-map", "0:a:0", "-vn", f"file:{target}"]
    args = ["-map", "0:v:0", *(["-map", "0:a:0"] if sound else []), "-vf", ",".join(chain)]
    codec = (_last(steps, "vc") or "auto").partition(":")[0]
    if codec not in _VIDEO_CODECS or (extension == "mp4" and codec in {"vp8", "vp9"}):
        raise bad_request(f"Video codec not supported - {codec}")
    if extension == "webm":
        args += ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1"]
        args += ["-c:a", "libopus"] if sound else []
        args += ["-b:v", str(bits(_last(steps, "br") or "1m"))]
    else:
        args += [*_X264, *_rate(steps), *(_AAC if sound else []), "-movflags", "+faststart"]
    return [*args, f"file:{target}"]


def frame_args(facts: dict[str, Any], steps: list[Step], extension: str, target: Path) -> list[str]:
    """Build the arguments that write one frame."""
    _, chain = _filters(facts, steps, whole=False)
    quality = ["-q:v", "3"] if extension == "jpg" else []
    codec = {"jpg": "mjpeg", "png": "png", "webp": "libwebp"}[extension]
    pixels = ["-pix_fmt", "yuvj420p"] if extension == "jpg" else []
    out = [
        "-frames:v",
        "1",
        "-update",
        "1",
        "-c:v",
        codec,
        *pixels,
        *quality,
        "-f",
        "image2",
        f"file:{target}",
    ]
    return ["-map", "0:v:0", "-vf", ",".join(chain), *out]


def stream_args(facts: dict[str, Any], steps: list[Step], ladder: list[Variant], folder: Path) -> list[str]:
    """Build the arguments that write an HLS set: master.m3u8, v0.m3u8 ... and their segments."""
    count = len(ladder)
    _, chain = _filters(facts, [step for step in steps if "sp" not in step])
    heads = "".join(f"[s{at}]" for at in range(count))
    graph = [f"[0:v:0]{','.join(chain)},split={count}{heads}"]
    graph += [f"[s{at}]scale={one.width}:{one.height},setsar=1[v{at}]" for at, one in enumerate(ladder)]
    sound = bool(facts.get("audio"))
    args = ["-filter_complex", ";".join(graph)]
    for at, one in enumerate(ladder):
        args += ["-map", f"[v{at}]", *(["-map", "0:a:0"] if sound else [])]
        args += [f"-b:v:{at}", str(one.bit_rate), f"-maxrate:v:{at}", str(one.bit_rate * 11 // 10)]
        args += [f"-bufsize:v:{at}", str(one.bit_rate * 2)]
    names = " ".join(f"v:{at},a:{at}" if sound else f"v:{at}" for at in range(count))
    args += [*_X264, *_KEYFRAMES, *(_AAC if sound else [])]
    args += [
        "-f",
        "hls",
        "-hls_time",
        str(SEGMENT_SECONDS),
        "-hls_playlist_type",
        "vod",
        "-hls_list_size",
        "0",
    ]
    args += ["-hls_flags", "independent_segments", "-var_stream_map", names, "-master_pl_name", "master.m3u8"]
    return [*args, "-hls_segment_filename", f"{folder}/v%v_%05d.ts", f"{folder}/v%v.m3u8"]


def complete_master(ladder: list[Variant], folder: Path) -> None:
    """Write the master playlist where ffmpeg left it empty, as it does for a film of one frame."""
    master = folder / "master.m3u8"
    if "#EXT-X-STREAM-INF" in master.read_text():
        return
    lines = ["#EXTM3U", "#EXT-X-VERSION:6"]
    for at, one in enumerate(ladder):
        lines.append(f"#EXT-X-STREAM-INF:BANDWIDTH={one.bit_rate},RESOLUTION={one.width}x{one.height}")
        lines.append(f"v{at}.m3u8")
    master.write_text("\n".join(lines) + "\n")


def frame_size(facts: dict[str, Any], steps: list[Step]) -> tuple[int, int]:
    """Compute the picture size that a chain of steps ends in."""
    return _filters(facts, steps)[0]


def _filters(
    facts: dict[str, Any], steps: list[Step], whole: bool = True
) -> tuple[tuple[int, int], list[str]]:
    width, height = int(facts.get("width", 0)), int(facts.get("height", 0))
    chain = []
    for step in steps:
        target = fit(step, width, height) if width else None
        if target:
            chain += _resize(target, whole)
            width, height = target.box or (target.width, target.height)
        if "fps" in step:
            chain.append(f"fps={number(step['fps'].partition('-')[0], 'fps', 1, 120):g}")
    if whole:
        width, height = even(width), even(height)
        chain.append(f"scale={width}:{height}")
    return (width, height), [*chain, "setsar=1"]


def _resize(target: Fit, whole: bool) -> list[str]:
    chain = [
        f"scale={even(target.width)}:{even(target.height)}"
        if whole
        else f"scale={target.width}:{target.height}"
    ]
    if target.box:
        wide, high = (even(side) for side in target.box) if whole else target.box
        chain.append(f"pad={wide}:{high}:-1:-1" if target.pad else f"crop={wide}:{high}")
    return chain


def _rate(steps: list[Step]) -> list[str]:
    quality = _last(steps, "q") or "auto"
    name = quality.rpartition(":")[2]
    crf = _CRF_BY_QUALITY.get(name)
    if crf is None:
        crf = round(51 - number(quality, "quality", 1, 100) * 0.4)
    args = ["-crf", str(crf)]
    rate = _last(steps, "br")
    if rate:
        top = bits(rate.partition(":")[0])
        args += ["-maxrate", str(top), "-bufsize", str(top * 2)]
    return args


def _offset(steps: list[Step], key: str, duration: float) -> float | None:
    text = _last(steps, key)
    return None if text is None else seconds(text, key, duration)


def _last(steps: list[Step], key: str) -> str | None:
    return next((step[key] for step in reversed(steps) if key in step), None)


def _one_frame(facts: dict[str, Any]) -> float:
    rate = float(facts.get("frame_rate") or 25)
    return 1.5 / rate
