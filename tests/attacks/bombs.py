"""Small files that would become large: pictures and films made by hand."""

import io
import struct
import zlib
from fractions import Fraction

import av
from PIL import Image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, kind=2, rows=None, extra=b""):
    """Return a PNG of one colour; `kind` 2 is RGB, 6 RGBA, 0 grey. Fewer `rows` than told make it end early."""
    samples = {0: 1, 2: 3, 6: 4}[kind]
    squeeze = zlib.compressobj(9)
    row = bytes(1 + width * samples)
    body = b"".join(squeeze.compress(row) for _ in range(height if rows is None else rows)) + squeeze.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def png_with_text(megabytes):
    """Return a small PNG whose compressed comments fill this many megabytes."""
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1024 * 1024 - 16), 9))
    return png(100, 100, extra=text * megabytes)


def png_with_profile(megabytes):
    """Return a small PNG whose colour profile fills this many megabytes."""
    squeeze = zlib.compressobj(9)
    body = b"".join(squeeze.compress(bytes(1024 * 1024)) for _ in range(megabytes)) + squeeze.flush()
    return png(100, 100, extra=chunk(b"iCCP", b"x\0\0" + body))


def jpeg(width=100, height=100, segments=(), **options):
    """Return a JPEG with further segments: (marker, data) pairs."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "JPEG", **options)
    raw = file.getvalue()
    more = b"".join(
        bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments
    )
    return raw[:2] + more + raw[2:]


def exif(entries, count, kind=7):
    """Return an EXIF block of `entries` tags, each of which says that it holds `count` values."""
    tags = b"".join(struct.pack(">HHII", 0x9000 + i, kind, count, 8) for i in range(entries))
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", entries) + tags + bytes(4)


def jpeg_of_scans(scans, side):
    """Return a progressive JPEG whose last scan comes again and again: each costs a walk over all blocks."""
    raw = jpeg(side, side, progressive=True, quality=50)
    last = raw.rindex(b"\xff\xda")
    return raw[:last] + raw[last:-2] * scans + raw[-2:]


def gif(frames):
    file = io.BytesIO()
    pictures = [Image.new("L", (64, 64), i * 4) for i in range(64)]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], loop=0)
    raw = file.getvalue()
    first = raw.index(b"\x21\xf9")
    return raw[:first] + raw[first:-1] * (frames // 64) + raw[-1:]


def webp(frames):
    """Return an animated WebP of large frames of one colour."""
    file = io.BytesIO()
    pictures = [Image.new("RGB", (4000, 4000), (i * 80, 0, 0)) for i in range(3)]
    pictures[0].save(file, "WEBP", save_all=True, append_images=pictures[1:], quality=1, method=0)
    raw = file.getvalue()
    at = raw.rindex(b"ANMF")
    body = raw[12:] + raw[at:] * max(0, frames - 3)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_head(side):
    """Return a WebP that tells of a large canvas, with a frame of no size worth mentioning."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(
        file, "WEBP", save_all=True, append_images=[Image.new("RGB", (64, 64), "red")]
    )
    raw, told = bytearray(file.getvalue()), struct.pack("<I", side - 1)[:3]
    raw[24:27] = raw[27:30] = told
    return bytes(raw)


def svg():
    return b'<svg xmlns="http://www.w3.org/2000/svg" width="99999" height="99999"><image href="file:///etc/passwd"/></svg>'


PICTURES = {
    "a PNG of 50,000 x 50,000": lambda: png(50_000, 50_000, rows=200),
    "a PNG just below the limit": lambda: png(5000, 5000, kind=6),
    "a PNG between limit and Pillow's": lambda: png(12_000, 10_000, rows=100),
    "a PNG full of comments": lambda: png_with_text(70),
    "a PNG with a swollen profile": lambda: png_with_profile(60),
    "a grey PNG as wide as can be": lambda: png(240_000, 100, kind=0),
    "an animated GIF of 10,000 frames": lambda: gif(10_000),
    "an animated WebP of 150 large frames": lambda: webp(150),
    "a JPEG with 7 MB of EXIF": lambda: jpeg(segments=[(0xE1, b"Exif\0\0MM" + bytes(65_000))] * 110),
    "a JPEG whose EXIF claims gigabytes": lambda: jpeg(segments=[(0xE1, exif(4000, 0xFFFFFFF0))]),
    "a JPEG whose EXIF claims rationals": lambda: jpeg(segments=[(0xE1, exif(4000, 0x0FFFFFFF, kind=5))]),
    "a JPEG of 65,000 x 65,000": lambda: jpeg().replace(
        struct.pack(">HH", 100, 100), struct.pack(">HH", 65000, 65000)
    ),
    "a JPEG of 3,000 scans": lambda: jpeg_of_scans(3_000, 4096),
    "a progressive JPEG just below the limit": lambda: jpeg(5000, 5000, progressive=True),
    "an animated WebP of 15,000 x 15,000": lambda: webp_head(15_000),
    "an SVG": svg,
    "an SVG in a PNG's clothes": lambda: b"\x89PNG\r\n\x1a\n" + svg(),
    "nothing": lambda: b"",
}


def film(codec, picture, told=640):
    """Return a MOV of three pictures that are larger than the container tells."""
    file = io.BytesIO()
    with av.open(file, "w", format="mov") as container:
        stream = container.add_stream(codec, rate=1)
        stream.width = stream.height = told
        stream.pix_fmt = "rgb24" if codec == "png" else "yuvj420p"
        for number in range(3):
            packet = av.Packet(picture)
            packet.stream, packet.time_base = stream, Fraction(1, 1)
            packet.pts = packet.dts = number
            packet.duration = 1
            container.mux(packet)
    return file.getvalue()


FILMS = {
    "of a codec we do not take, 16,000 pixels wide": lambda: film("png", png(16_000, 16_000)),
    "that tells of 640 pixels and has 16,000": lambda: film("mjpeg", jpeg(16_000, 16_000, quality=1)),
}
