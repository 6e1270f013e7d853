"""Derived images with Pillow."""

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from cloudinary_local.errors import bad_request
from cloudinary_local.geometry import Fit, fit, number
from cloudinary_local.sniff import image_kind, read_head
from cloudinary_local.transformation import Step

FORMATS = {
    "jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "bmp": "BMP", "ico": "ICO",
    "pdf": "PDF", "tiff": "TIFF",
}  # fmt: skip
_UNDERSTOOD = {"a", "ar", "c", "dpr", "e", "f", "fl", "g", "h", "l", "q", "w"}


def render_image(source: Path, steps: list[Step], extension: str, target: Path) -> dict[str, int]:
    """Write a derived image; return its width and height."""
    kind = image_kind(read_head(source))
    if kind is None or extension not in FORMATS:
        raise bad_request(f"Unsupported image format - {extension}")
    try:
        with Image.open(source, formats=[kind]) as opened:
            image: Image.Image = ImageOps.exif_transpose(opened)
            for step in steps:
                image = _apply(image, step)
            quality = next((step["q"] for step in reversed(steps) if "q" in step), "auto")
            _save(image, extension, quality, target)
            return {"width": image.width, "height": image.height}
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise bad_request("Invalid image file") from error


def _apply(image: Image.Image, step: Step) -> Image.Image:
    unknown = set(step) - _UNDERSTOOD
    if unknown:
        raise bad_request(f"Transformation parameter not supported - {sorted(unknown)[0]}")
    overlay = step.get("l", "")
    if overlay:
        # The size of a step with a layer is the layer's, not the picture's.
        return _overlay(image, overlay)
    target = fit(step, image.width, image.height)
    if target:
        image = _resize(image, target)
    if "a" in step:
        image = _turn(image, number(step["a"], "angle", -360, 360))
    return _effect(image, step["e"]) if "e" in step else image


def _turn(image: Image.Image, angle: float) -> Image.Image:
    wide, high = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    # Pillow rounds the new sides up; Cloudinary rounds them down.
    box = (int(image.width * wide + image.height * high), int(image.width * high + image.height * wide))
    turned = image.rotate(-angle, expand=True)
    return turned.crop((0, 0, min(box[0], turned.width) or 1, min(box[1], turned.height) or 1))


def _resize(image: Image.Image, target: Fit) -> Image.Image:
    if image.mode == "P":
        image = image.convert("RGBA")
    if image.size != (target.width, target.height):
        image = image.resize((target.width, target.height), Image.Resampling.LANCZOS)
    if target.box is None:
        return image
    if target.pad:
        return ImageOps.pad(image, target.box, color="white")
    left, top = (image.width - target.box[0]) // 2, (image.height - target.box[1]) // 2
    return image.crop((left, top, left + target.box[0], top + target.box[1]))


def _overlay(image: Image.Image, overlay: str) -> Image.Image:
    kind, _, rest = overlay.partition(":")
    style, _, text = rest.partition(":")
    if kind != "text" or not text:
        raise bad_request(f"Overlay not supported - {overlay}")
    size = number(style.rpartition("_")[2] or "12", "font size", 1, 400)
    image = image.convert("RGBA")
    draw = ImageDraw.Draw(image)
    draw.text(
        (image.width / 2, image.height / 2),
        text,
        fill="black",
        anchor="mm",
        font=ImageFont.load_default(size),
    )
    return image


def _effect(image: Image.Image, effect: str) -> Image.Image:
    name = effect.partition(":")[0]
    if name == "grayscale":
        return ImageOps.grayscale(image)
    if name == "sepia":
        return ImageOps.colorize(ImageOps.grayscale(image), (40, 26, 13), (255, 240, 214))
    raise bad_request(f"Effect not supported - {effect}")


def draw_text(text: str, size: float, color: str, target: Path) -> dict[str, int]:
    """Draw a line of text on a transparent ground; return its width and height."""
    font = ImageFont.load_default(size)
    box = font.getbbox(text)
    image = Image.new("RGBA", (max(1, int(box[2]) + 2), max(1, int(box[3]) + 2)))
    try:
        ImageDraw.Draw(image).text((1, 1), text, fill=color, font=font)
    except ValueError as error:
        raise bad_request(f"Invalid font_color - {color}") from error
    image.save(target, "PNG")
    return {"width": image.width, "height": image.height}


def montage(sources: list[Path], target: Path, extension: str) -> list[dict[str, int]]:
    """Stack images into one sprite; return each one's place in it."""
    images = []
    for source in sources:
        with Image.open(source, formats=[image_kind(read_head(source)) or "PNG"]) as opened:
            images.append(opened.convert("RGBA"))
    sheet = Image.new("RGBA", (max(one.width for one in images), sum(one.height for one in images)))
    places, top = [], 0
    for image in images:
        sheet.paste(image, (0, top))
        places.append({"x": 0, "y": top, "width": image.width, "height": image.height})
        top += image.height
    _save(sheet, extension, "auto", target)
    return places


def _save(image: Image.Image, extension: str, quality: str, target: Path) -> None:
    kind = FORMATS[extension]
    if kind in {"JPEG", "PDF"} and image.mode not in {"RGB", "L"}:
        flat = Image.new("RGB", image.size, "white")
        rich = image.convert("RGBA")
        flat.paste(rich, mask=rich.getchannel("A"))
        image = flat
    level = 80 if quality.startswith("auto") else int(number(quality.partition(":")[0], "quality", 1, 100))
    options = {"quality": level} if kind in {"JPEG", "WEBP"} else {}
    image.save(target, kind, **options)
