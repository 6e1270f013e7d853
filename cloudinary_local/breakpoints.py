"""Responsive breakpoints: widths at which an image is worth delivering."""

import json
from pathlib import Path
from typing import Any

from cloudinary_local.assets import Asset
from cloudinary_local.errors import bad_request
from cloudinary_local.images import FORMATS, render_image
from cloudinary_local.links import delivery_url
from cloudinary_local.server import Server
from cloudinary_local.transformation import Step, parse

_LEAST_WIDTH, _MOST_WIDTH, _STEP_BYTES, _MOST_IMAGES = 50, 1000, 20_000, 20


def breakpoints(server: Server, asset: Asset, base: str, text: str) -> list[dict[str, Any]]:
    """Compute the breakpoints of each requested setting; widths fall from the widest."""
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise bad_request("Invalid responsive_breakpoints: not JSON") from error
    if not isinstance(settings, list) or not all(isinstance(one, dict) for one in settings):
        raise bad_request("Invalid responsive_breakpoints: expected a list")
    return [_one(server, asset, base, setting) for setting in settings[:10]]


def _one(server: Server, asset: Asset, base: str, setting: dict[str, Any]) -> dict[str, Any]:
    transformation = str(setting.get("transformation") or "")
    extension = str(setting.get("format") or asset.format)
    if extension not in FORMATS:
        raise bad_request(f"Unsupported image format - {extension[:20]}")
    found = []
    for width, height, size in widths(server, asset, parse(transformation), extension, setting):
        chain = "/".join(filter(None, (transformation, f"c_scale,w_{width}")))
        url = delivery_url(server.settings, base, asset, chain, extension)
        found.append({"width": width, "height": height, "bytes": size, "url": url, "secure_url": url})
    return {"breakpoints": found, "transformation": transformation}


def widths(
    server: Server, asset: Asset, steps: list[Step], extension: str, setting: dict[str, Any]
) -> list[tuple[int, int, int]]:
    """Return (width, height, bytes), widest first, spaced by about `bytes_step` bytes."""
    whole = _measure(server, asset, steps, extension)
    top = min(_limit(setting, "max_width", _MOST_WIDTH), whole[0])
    bottom = min(_limit(setting, "min_width", _LEAST_WIDTH), top)
    ends = [
        _measure(server, asset, [*steps, {"c": "scale", "w": str(width)}], extension)
        for width in (top, bottom)
    ]
    step = _limit(setting, "bytes_step", _STEP_BYTES)
    between = min(abs(ends[0][2] - ends[1][2]) // step, _limit(setting, "max_images", _MOST_IMAGES) - 2)
    inner = [top - (top - bottom) * at // (between + 1) for at in range(1, between + 1)]
    middle = [
        _measure(server, asset, [*steps, {"c": "scale", "w": str(width)}], extension) for width in inner
    ]
    return [ends[0], *middle, ends[1]] if top > bottom else ends[:1]


def _limit(setting: dict[str, Any], name: str, default: int) -> int:
    value = setting.get(name, default)
    if not isinstance(value, (int, str)) or not str(value).isdigit() or not 0 < int(value) < 100_000_000:
        raise bad_request(f"Invalid {name} in responsive_breakpoints")
    return int(value)


def _measure(server: Server, asset: Asset, steps: list[Step], extension: str) -> tuple[int, int, int]:
    with server.files.new_temp() as stream:
        target = Path(stream.name)
    try:
        source = server.files.original(asset.asset_id, asset.version)
        size = render_image(source, steps, extension, target)
        return size["width"], size["height"], target.stat().st_size
    finally:
        target.unlink(missing_ok=True)
