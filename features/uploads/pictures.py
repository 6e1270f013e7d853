"""Re-encode an uploaded picture: what is stored was drawn here, whatever was sent."""

import io
import threading
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from features.uploads.colours import to_srgb

FORMATS = ("JPEG", "PNG", "WEBP")
LARGEST_PIXELS = 25_000_000
BOX = (1280, 720)
SMALLEST_SIDE = 64
# Progressive JPEGs have about ten; each is a walk over the whole picture, however few bytes it takes.
MOST_SCANS = 40
# One at a time in a process: a picture may take 250 MB while it is open.
DRAWING = threading.Lock()
PATIENCE_SECONDS = 20.0
# What Pillow warns of is refused below, or belongs to metadata that is thrown away.
warnings.filterwarnings("ignore", module=r"PIL\.")


class BadPicture(Exception):
    """The file is no picture that we take; the message says why."""


class Busy(Exception):
    """Too many pictures wait to be drawn."""


def redraw(data: bytes) -> bytes:
    """Return a JPEG of at most 1280 x 720 without metadata; BadPicture if that is not possible, Busy if not now."""
    if not DRAWING.acquire(timeout=PATIENCE_SECONDS):
        raise Busy
    try:
        return write(read(data))
    finally:
        DRAWING.release()


def read(data: bytes) -> Image.Image:
    """Return the picture, upright and small; its kind and size are checked before a pixel is read."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > LARGEST_PIXELS:
                raise BadPicture(f"at most {LARGEST_PIXELS // 1_000_000} million pixels")
            if min(picture.size) < SMALLEST_SIDE:
                raise BadPicture(f"at least {SMALLEST_SIDE} pixels on each side")
            if picture.format == "JPEG" and data.count(b"\xff\xda") > MOST_SCANS:
                raise BadPicture(f"at most {MOST_SCANS} scans")
            # Made small first: to turn it or to change its colours would copy it whole.
            picture.thumbnail((max(BOX), max(BOX)))
            upright = to_srgb(ImageOps.exif_transpose(picture), data)
    except (
        UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:  # fmt: skip
        raise BadPicture("it cannot be decoded") from error
    upright.thumbnail(BOX)
    return upright


def write(upright: Image.Image) -> bytes:
    """Return a picture of sRGB as a JPEG. A fresh canvas carries neither EXIF nor colour profile nor comments."""
    clean = Image.new("RGB", upright.size)
    clean.paste(upright)
    drawn = io.BytesIO()
    clean.save(drawn, "JPEG", quality=85, optimize=True)
    return drawn.getvalue()
