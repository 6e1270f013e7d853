"""Sizes and times of a transformation step, as numbers."""

import math
from dataclasses import dataclass

from cloudinary_local.errors import bad_request
from cloudinary_local.transformation import Step

MAX_SIDE = 8192
ENLARGING = {"scale", "fill", "pad", "fit", "crop", "lfill", "mfit", "thumb", "auto"}
SHRINKING = {"limit", "lpad"}


@dataclass(frozen=True)
class Fit:
    """A target: scale the source to `width` x `height`, then crop or pad to `box` if given."""

    width: int
    height: int
    box: tuple[int, int] | None = None
    pad: bool = False


def number(text: str, name: str, least: float = 0, most: float = 1e9) -> float:
    """Read a finite number within bounds; 400 otherwise."""
    try:
        value = float(text)
    except ValueError as error:
        raise bad_request(f"Invalid {name} in transformation: {text}") from error
    if not (math.isfinite(value) and least <= value <= most):
        raise bad_request(f"Invalid {name} in transformation: {text}")
    return value


def fit(step: Step, width: int, height: int) -> Fit | None:
    """Compute what a step asks of a picture of `width` x `height`; None when it asks no resizing."""
    if "w" not in step and "h" not in step:
        return None
    wanted_width = _side(step.get("w"), "width", width)
    wanted_height = _side(step.get("h"), "height", height)
    if "ar" in step:
        wanted_width, wanted_height = _complete(step["ar"], wanted_width, wanted_height)
    crop = step.get("c", "scale")
    if crop not in ENLARGING | SHRINKING:
        raise bad_request(f"Invalid crop mode in transformation: {crop}")
    if wanted_width is None or wanted_height is None:
        return _one_side(crop, wanted_width, wanted_height, width, height)
    return _both_sides(crop, wanted_width, wanted_height, width, height)


def _complete(aspect: str, wide: int | None, high: int | None) -> tuple[int | None, int | None]:
    """Compute the missing side from an aspect ratio such as `16:9` or `1.5`."""
    over, _, under = aspect.partition(":")
    ratio = number(over, "aspect ratio", 0.01, 10_000) / number(under or "1", "aspect ratio", 0.01, 10_000)
    if wide and not high:
        return wide, max(1, min(round(wide / ratio), MAX_SIDE))
    return (max(1, min(round((high or 1) * ratio), MAX_SIDE)), high) if not wide else (wide, high)


def _one_side(crop: str, wide: int | None, high: int | None, width: int, height: int) -> Fit:
    ratio = wide / width if wide else (high or height) / height
    if crop == "crop":
        return Fit(width, height, (min(wide or width, width), min(high or height, height)))
    if crop in SHRINKING or crop == "lfill":
        ratio = min(ratio, 1)
    return Fit(*_scaled(width, height, ratio))


def _both_sides(crop: str, wide: int, high: int, width: int, height: int) -> Fit:
    if crop == "scale":
        return Fit(wide, high)
    if crop == "crop":
        return Fit(width, height, (min(wide, width), min(high, height)))
    inside, outside = min(wide / width, high / height), max(wide / width, high / height)
    if crop in {"fill", "lfill", "thumb", "auto"}:
        if crop == "lfill":
            outside = min(outside, 1)
        scaled = _scaled(width, height, outside)
        return Fit(*scaled, (min(wide, scaled[0]), min(high, scaled[1])))
    if crop in SHRINKING:
        inside = min(inside, 1)
    scaled = _scaled(width, height, inside)
    return Fit(*scaled, (wide, high), pad=True) if crop in {"pad", "lpad"} else Fit(*scaled)


def _scaled(width: int, height: int, ratio: float) -> tuple[int, int]:
    return max(1, min(round(width * ratio), MAX_SIDE)), max(1, min(round(height * ratio), MAX_SIDE))


def _side(text: str | None, name: str, whole: int) -> int | None:
    if text is None or text.startswith("auto"):
        return None
    value = number(text, name, 0.001, MAX_SIDE)
    # A value with a decimal point is a share of the original ("0.5", "2.0").
    return max(1, min(round(whole * value), MAX_SIDE)) if "." in text else max(1, round(value))


def seconds(text: str, name: str, duration: float) -> float:
    """Read an offset such as `3`, `2.5` or `50p` (percent of the duration)."""
    if text == "auto":
        return duration / 2
    if text.endswith(("p", "%")):
        return duration * number(text[:-1], name, 0, 100) / 100
    return number(text, name)
