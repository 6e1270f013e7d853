"""Covers keep their look: grey of 16 bits, wide gamut by an ICC profile, and high dynamic range by cICP."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms

from features.uploads.colours import KNEE, light_of_hlg, light_of_pq, squeezed
from features.uploads.pictures import redraw
from tests.field_reports import reported

SIZE = (64, 64)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(colour, depth, samples, *extra):
    """Write a PNG of one colour by hand: `samples` are those of one pixel."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[len(samples)]
    pixel = b"".join(struct.pack(">H" if depth == 16 else ">B", one) for one in samples)
    head = struct.pack(">IIBBBBB", *SIZE, depth, kind, 0, 0, 0)
    rows = (b"\0" + pixel * SIZE[0]) * SIZE[1]
    chunks = [chunk(b"IHDR", head), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def drawn(data):
    """Return the colour that the middle of a cover has."""
    with Image.open(io.BytesIO(redraw(data))) as picture:
        assert "icc_profile" not in picture.info
        return picture.convert("RGB").getpixel((32, 32))


def near(found, wanted, within=3):
    return all(abs(a - b) <= within for a, b in zip(found, wanted, strict=True))


@reported(
    "Media",
    "A grey PNG of 16 bits came out white",
    sent="mid grey, 0x8080 of 0xffff",
    back="mid grey, 0x80 of 0xff",
)
@pytest.mark.parametrize("level", [0, 0x1000, 0x8080, 0xC0C0, 0xFFFF])
def test_grey_of_sixteen_bits_keeps_its_shades(level):
    assert near(drawn(png("grey", 16, (level,))), (round(level / 257),) * 3, 1)


@pytest.mark.parametrize(("depth", "most"), [(8, 255), (16, 65535)])
@pytest.mark.parametrize(
    "samples", [(1,), (0.5,), (0.5, 1), (1, 0.5, 0), (0.2, 0.4, 0.6), (0.2, 0.4, 0.6, 1)]
)
def test_every_layout_of_png_keeps_its_colour(depth, most, samples):
    shown = samples[:1] * 3 if len(samples) < 3 else samples[:3]
    made = png("any", depth, tuple(round(one * most) for one in samples))
    assert near(drawn(made), [round(one * 255) for one in shown])


def profile(red=(0.680, 0.320), green=(0.265, 0.690), blue=(0.150, 0.060)):
    """Return an ICC profile with the primaries of Display P3, its white and its curve near that of sRGB."""
    from tests.icc import matrix_profile

    return matrix_profile(red, green, blue)


@reported(
    "Media",
    "A cover of wide gamut came out pale: its colour profile was thrown away",
    sent="Display P3 green (0.5, 0.7, 0.4)",
    back="sRGB (113, 180, 92)",
)
def test_wide_gamut_is_brought_to_srgb(report):
    data = profile()
    source = tuple(round(255 * one) for one in (0.5, 0.7, 0.4))
    wanted = by_formula(source)
    assert near(wanted, [int(one) for one in report.back[6:-1].split(",")], 2)
    for kind, options in (
        ("PNG", {}),
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("WEBP", {"lossless": True}),
    ):
        file = io.BytesIO()
        Image.new("RGB", SIZE, source).save(file, kind, icc_profile=data, **options)
        assert near(drawn(file.getvalue()), wanted, 4), kind
    assert not near(source, wanted, 8)


def by_formula(code):
    """Return what a colour of Display P3 is in sRGB, by CSS Color 4."""
    linear = [one / 255 / 12.92 if one <= 10 else ((one / 255 + 0.055) / 1.055) ** 2.4 for one in code]
    rows = ((1.2249, -0.2247, 0), (-0.0420, 1.0419, 0), (-0.0197, -0.0786, 1.0979))
    mixed = [min(max(sum(a * b for a, b in zip(row, linear, strict=True)), 0), 1) for row in rows]
    return [round(255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055)) for v in mixed]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("broken", ["none", "empty", "junk", "cut", "of Lab", "of another mode"])
def test_a_profile_that_does_not_fit_changes_nothing(mode, broken):
    whole = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    other = whole if mode in ("1", "L", "LA", "CMYK") else lab
    data = {"none": None, "empty": b"", "junk": b"junk" * 99, "cut": whole[:200], "of Lab": lab}.get(
        broken, other
    )
    kind = "JPEG" if mode == "CMYK" else "PNG"
    plain, marked = io.BytesIO(), io.BytesIO()
    picture = Image.new("RGB", SIZE, (90, 120, 150)).convert(mode)
    picture.save(plain, kind)
    picture.save(marked, kind, icc_profile=data)
    assert drawn(marked.getvalue()) == drawn(plain.getvalue())


@reported(
    "Media",
    "A cover of high dynamic range came out grey and flat",
    sent="PNG with cICP 9, 16: white paper of 203 cd/m2, which PQ writes as 0.58",
    back="nearly white, above 230 of 255",
)
@pytest.mark.parametrize("primaries", [1, 9, 12])
def test_high_dynamic_range_is_brought_to_srgb(primaries):
    def shown(level, transfer=16, depth=16):
        marked = chunk(b"cICP", bytes([primaries, transfer, 0, 1]))
        return drawn(png("hdr", depth, (round(level * (2**depth - 1)),) * 3, marked))

    assert min(shown(0.58)) > 230 and max(shown(0.58)) - min(shown(0.58)) <= 6
    assert max(shown(0)) == 0 and min(shown(1)) > 250
    # PQ writes 33 cd/m2 as 0.4, which are 0.16 of paper; sRGB writes that as 0.44.
    assert near(shown(0.4), (112,) * 3, 5)
    levels = [shown(step / 16)[0] for step in range(17)]
    assert levels == sorted(levels)
    assert min(shown(0.75, 18)) > 235 and max(shown(0, 18)) == 0


def test_light_is_what_the_standards_say():
    assert light_of_pq(1.0)[0] == pytest.approx(10_000, rel=1e-3)
    assert light_of_pq(0.58)[0] == pytest.approx(203, rel=0.02)
    assert light_of_hlg(0.75, 0.75, 0.75)[0] == pytest.approx(203, rel=0.02)
    assert light_of_hlg(1.0, 1.0, 1.0)[0] == pytest.approx(1000, rel=0.01)


def test_what_is_darker_than_the_knee_is_left_alone_and_the_rest_keeps_its_hue():
    assert squeezed([0.1, KNEE, 0.3]) == [0.1, KNEE, 0.3]
    bright = squeezed([8.0, 4.0, 2.0])
    assert (
        max(bright) <= 1
        and bright[0] / bright[1] == pytest.approx(2)
        and bright[1] / bright[2] == pytest.approx(2)
    )


@pytest.mark.parametrize("mark", [b"", b"\x09", b"\xff\xff\xff\xff", b"\x09\x10\x00\x01\x00"])
def test_a_mark_that_says_nothing_changes_nothing(mark):
    assert near(drawn(png("x", 8, (90, 120, 150), chunk(b"cICP", mark))), (90, 120, 150))
