"""Draw the storyboard of a film: small pictures at even intervals on one sheet, for the preview of a seek bar."""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from PIL import Image

from features.uploads.probe import SNIFF_BYTES, sniff

MOST_TILES = 60
COLUMNS = 10
TILE_SIDE = 160


@dataclass(frozen=True)
class Sheet:
    """The drawn sheet: tiles of `width` x `height` pixels, `columns` in a row, one each `interval` seconds."""

    width: int
    height: int
    columns: int
    count: int
    interval: float
    jpeg: bytes


def draw_sheet(path: Path, duration: float) -> Sheet | None:
    """Draw the sheet of a film that was probed before; None when no picture of it can be decoded."""
    count = max(1, min(MOST_TILES, math.ceil(duration)))
    interval = duration / count
    with open(path, "rb") as file:
        demuxer = sniff(file.read(SNIFF_BYTES))
    try:
        with av.open(str(path), format=demuxer, options={"protocol_whitelist": "file"}) as container:
            tiles = [take(container, (number + 0.5) * interval) for number in range(count)]
    except av.FFmpegError:
        return None
    drawn = [tile for tile in tiles if tile is not None]
    if not drawn:
        return None
    width, height = drawn[0].size
    columns = min(COLUMNS, count)
    sheet = Image.new("RGB", (columns * width, math.ceil(count / columns) * height))
    last = drawn[0]
    for number, tile in enumerate(tiles):
        last = tile or last
        sheet.paste(last, (number % columns * width, number // columns * height))
    jpeg = io.BytesIO()
    sheet.save(jpeg, "JPEG", quality=70, optimize=True)
    return Sheet(width, height, columns, count, interval, jpeg.getvalue())


def take(container: Any, at: float) -> Image.Image | None:
    """Return the key frame before a moment, small: decoding up to the moment itself would take too long."""
    container.seek(int(at * 1_000_000), backward=True, any_frame=False)
    frame = next(container.decode(video=0), None)
    if frame is None:
        return None
    picture: Image.Image = frame.to_image()
    picture.thumbnail((TILE_SIDE, TILE_SIDE))
    return picture
