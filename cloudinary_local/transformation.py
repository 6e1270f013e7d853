"""The transformation language of delivery URLs: parse it, refuse what is not understood, describe it."""

import re
from dataclasses import dataclass
from typing import Any

from cloudinary_local.errors import bad_request

NAMES = {
    "a": "angle", "ac": "audio_codec", "af": "audio_frequency", "ar": "aspect_ratio",
    "b": "background", "bo": "border", "br": "bit_rate", "c": "crop", "co": "color",
    "cs": "color_space", "d": "default_image", "dl": "delay", "dn": "density", "dpr": "dpr",
    "du": "duration", "e": "effect", "eo": "end_offset", "f": "fetch_format", "fl": "flags",
    "fn": "custom_function", "fps": "fps", "g": "gravity", "h": "height", "if": "if",
    "ki": "keyframe_interval", "l": "overlay", "o": "opacity", "p": "prefix", "pg": "page",
    "q": "quality", "r": "radius", "so": "start_offset", "sp": "streaming_profile",
    "t": "transformation", "u": "underlay", "vc": "video_codec", "vs": "video_sampling",
    "w": "width", "x": "x", "y": "y", "z": "zoom",
}  # fmt: skip
KEYS = {name: key for key, name in NAMES.items()}
_NUMERIC = {"w", "h", "x", "y", "a", "dpr", "r", "o", "q", "z", "fps"}
_PARAM = re.compile(r"([a-z]{1,3})_(.+)", re.DOTALL)
_FORMAT = re.compile(r"[a-z0-9]{2,5}")
MAX_LENGTH = 2000

Step = dict[str, str]


@dataclass(frozen=True)
class Eager:
    """One entry of an eager list: a transformation string and the format it ends in, if any."""

    transformation: str
    format: str


def parse_step(component: str) -> Step | None:
    """Parse one URL component such as `c_limit,w_640`; None if it is not a transformation."""
    step: Step = {}
    for part in component.split(","):
        found = _PARAM.fullmatch(part)
        if not found or found[1] not in NAMES:
            return None
        step[found[1]] = found[2]
    return step


def parse(transformation: str) -> list[Step]:
    """Parse a chain of components joined by slashes; 400 for anything else."""
    if len(transformation) > MAX_LENGTH:
        raise bad_request("Transformation is too long")
    steps = []
    for component in filter(None, transformation.split("/")):
        step = parse_step(component)
        if step is None:
            raise bad_request(f"Invalid transformation component - {component}")
        steps.append(step)
    return steps


def parse_eager(text: str) -> list[Eager]:
    """Parse `c_limit,w_640/mp4|sp_hd/m3u8`: entries by `|`, each with an optional format at its end."""
    entries = []
    for entry in filter(None, text.split("|")):
        head, _, last = entry.rpartition("/")
        if _FORMAT.fullmatch(last):
            entries.append(Eager(head, last))
        else:
            entries.append(Eager(entry, ""))
        parse(entries[-1].transformation)
    return entries


def describe(transformation: str) -> list[dict[str, Any]]:
    """Turn a string into the list of named options that the Admin API shows."""
    return [
        {NAMES[key]: _number(key, value) for key, value in step.items()} for step in parse(transformation)
    ]


def to_string(options: dict[str, Any]) -> str:
    """Turn named options back into one component."""
    known = {KEYS[name]: value for name, value in options.items() if name in KEYS}
    return ",".join(f"{key}_{value}" for key, value in sorted(known.items()))


def _number(key: str, value: str) -> Any:
    if key not in _NUMERIC:
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
