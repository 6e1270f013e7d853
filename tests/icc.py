"""Write ICC profiles (ICC.1:2022) for tests: three primaries, the white of D65, and the curve of sRGB."""

import struct

D50 = (0.9642, 1.0, 0.8249)
# From the white D65 to D50, by Bradford.
BRADFORD = (
    (1.0479298, 0.0229469, -0.0501922),
    (0.0296278, 0.9904345, -0.0170738),
    (-0.0092430, 0.0150552, 0.7518743),
)
D65 = (0.95047, 1.0, 1.08883)


def matrix_profile(*primaries):
    """Return a profile of the colours between three primaries, each by its chromaticity (x, y)."""
    columns = [(x / y, 1.0, (1 - x - y) / y) for x, y in primaries]
    shares = solve(columns, D65)
    adapted = [
        times(BRADFORD, [share * part for part in one]) for share, one in zip(shares, columns, strict=True)
    ]
    curve = b"para" + struct.pack(">IHH", 0, 3, 0)
    curve += b"".join(fixed(one) for one in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    tags = {b"wtpt": xyz(D50), **dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, adapted), strict=True))}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    tags |= {b"desc": text("wide"), b"cprt": text("none")}
    return assemble(tags)


def assemble(tags):
    """Return the file of these tags."""
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        table += name + struct.pack(">II", at + len(body), len(value))
        body += value
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"\0" * 4, 0x04300000, b"mntr", b"RGB ", b"XYZ ")
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + b"".join(fixed(one) for one in D50)
    return head.ljust(128, b"\0") + table + body


def text(words):
    """Return a text in one language."""
    return (
        b"mluc" + struct.pack(">III4sII", 0, 1, 12, b"enUS", 2 * len(words), 28) + words.encode("utf-16-be")
    )


def xyz(values):
    return b"XYZ " + b"\0" * 4 + b"".join(fixed(one) for one in values)


def fixed(value):
    """Return a number as s15Fixed16."""
    return struct.pack(">i", round(value * 65536))


def times(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def solve(columns, wanted):
    """Return the shares of three columns that make a vector (Cramer)."""

    def det(a, b, c):
        return (
            a[0] * (b[1] * c[2] - b[2] * c[1])
            - b[0] * (a[1] * c[2] - a[2] * c[1])
            + c[0] * (a[1] * b[2] - a[2] * b[1])
        )

    whole = det(*columns)
    return [det(*[wanted if i == at else one for i, one in enumerate(columns)]) / whole for at in range(3)]
