"""Bring a picture of any depth, colour space or brightness to sRGB, so that it looks the same everywhere."""

import functools
import io
import math
import struct

from PIL import Image, ImageCms, ImageFilter

SRGB = ImageCms.createProfile("sRGB")
# A profile for print takes a megabyte or two.
LARGEST_PROFILE_BYTES = 4 * 1024 * 1024
# The mode of pictures that the profile of a colour space is for, and the modes that can be brought to it.
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
FITTING = {
    "1": ("L",),
    "L": ("L",),
    "LA": ("L",),
    "P": ("RGB",),
    "RGB": ("RGB",),
    "RGBA": ("RGB",),
    "CMYK": ("CMYK",),
}
PNG = b"\x89PNG\r\n\x1a\n"
# Code points of ITU-T H.273, as the chunk cICP of PNG (third edition, 11.3.2.6) writes them.
PQ, HLG = 16, 18
# From the primaries to those of sRGB, in linear light: BT.2020 and Display P3 (both with the white of D65).
TO_SRGB = {
    1: ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    9: ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730)),
    12: ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
}
# What white paper is, and the brightest of the screen that HLG is made for, in cd/m2 (ITU-R BT.2408, section 2.2).
PAPER, PEAK = 203.0, 1000.0
KNEE = 0.75
LUT_SIZE = 33


def to_srgb(picture: Image.Image, data: bytes) -> Image.Image:
    """Return a picture in RGB as sRGB has it; `data` is the file that it was read from."""
    if picture.mode.startswith("I"):
        # Pillow reads grey of 16 bits so, and would cut what is brighter than 255 off.
        picture = picture.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    primaries, transfer = coded_colours(data)
    if transfer in (PQ, HLG) and primaries in TO_SRGB:
        return picture.convert("RGB").filter(tone_map(primaries, transfer))
    return by_profile(picture).convert("RGB")


def by_profile(picture: Image.Image) -> Image.Image:
    """Apply the ICC profile of a picture; one that is broken or of other colours is left out."""
    profile = picture.info.get("icc_profile") or b""
    if not 0 < len(profile) <= LARGEST_PROFILE_BYTES:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = MODES.get(source.profile.xcolor_space.strip(), "")
        if mode not in FITTING.get(picture.mode, ()):
            return picture
        fitting = picture.convert(mode)
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        shown = ImageCms.profileToProfile(fitting, source, SRGB, intent, outputMode="RGB", flags=flags)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    return shown or picture


def coded_colours(data: bytes) -> tuple[int, int]:
    """Return primaries and transfer function of a PNG with the chunk cICP; (0, 0) without, or of other files."""
    at = len(PNG)
    while data.startswith(PNG) and at + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"cICP" and length == 4:
            return data[at + 8], data[at + 9]
        if kind == b"IDAT":
            break
        at += 12 + length
    return 0, 0


@functools.cache
def tone_map(primaries: int, transfer: int) -> ImageFilter.Color3DLUT:
    """Return the table from colours of high dynamic range to sRGB."""
    light = light_of_pq if transfer == PQ else light_of_hlg
    matrix = TO_SRGB[primaries]

    def shown(*code: float) -> tuple[float, ...]:
        linear = squeezed([value / PAPER for value in light(*code)])
        return tuple(
            written(sum(share * value for share, value in zip(row, linear, strict=True))) for row in matrix
        )

    return ImageFilter.Color3DLUT.generate(LUT_SIZE, shown)


def light_of_pq(*code: float) -> list[float]:
    """Return the light of a colour in cd/m2, by SMPTE ST 2084."""
    found = []
    for value in code:
        root = value ** (32 / 2523)
        found.append(10_000 * (max(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)) ** (8192 / 1305))
    return found


def light_of_hlg(*code: float) -> list[float]:
    """Return the light of a colour in cd/m2 on a screen of PEAK, by ITU-R BT.2100."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = [value**2 / 3 if value <= 0.5 else (math.exp((value - c) / a) + b) / 12 for value in code]
    brightness = 0.2627 * scene[0] + 0.6780 * scene[1] + 0.0593 * scene[2]
    return [PEAK * brightness**0.2 * value for value in scene]


def squeezed(linear: list[float]) -> list[float]:
    """Bring light, 1 of which is white paper, below 1 by its strongest part, so that hues stay.

    What is darker than KNEE is left alone, so that most of a picture looks as one of sRGB would.
    """
    strongest = max(linear)
    if strongest <= KNEE:
        return linear
    target = KNEE + (1 - KNEE) * (1 - math.exp((KNEE - strongest) / (1 - KNEE)))
    return [value * target / strongest for value in linear]


def written(value: float) -> float:
    """Return a part of linear light, 0 to 1, as sRGB writes it (IEC 61966-2-1)."""
    value = min(max(value, 0.0), 1.0)
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
