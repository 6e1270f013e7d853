"""Re-encode an uploaded picture: what comes out was drawn by us, whatever came in."""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP")
LARGEST_PIXELS = 40_000_000
BOX = (1280, 720)
SMALLEST_SIDE = 64


class BadPicture(Exception):
    """The file is no picture that we take; the message says why."""


def redraw(data: bytes) -> bytes:
    """Return a JPEG of at most 1280 x 720 without metadata; BadPicture if that is not possible."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > LARGEST_PIXELS:
                raise BadPicture(f"at most {LARGEST_PIXELS // 1_000_000} million pixels")
            if min(picture.size) < SMALLEST_SIDE:
                raise BadPicture(f"at least {SMALLEST_SIDE} pixels on each side")
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadPicture("it cannot be decoded") from error
    upright.thumbnail(BOX)
    # A fresh canvas carries neither EXIF nor colour profile nor comments.
    clean = Image.new("RGB", upright.size)
    clean.paste(upright)
    drawn = io.BytesIO()
    clean.save(drawn, "JPEG", quality=85, optimize=True)
    return drawn.getvalue()
