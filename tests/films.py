"""Films of any size, for tests that need many bytes and few pictures."""

import struct

from tests.platform import CLIP

FILM = CLIP.read_bytes()


def padded(path, size):
    """Write a playable film of exactly this size: the clip, then a `free` box (ISO/IEC 14496-12) of zeros."""
    with open(path, "wb") as file:
        file.write(FILM)
        file.write(struct.pack(">I4sQ", 1, b"free", size - len(FILM)))
        file.truncate(size)
    return path
