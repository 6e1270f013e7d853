"""Compressed variants of an answer, by Accept-Encoding."""

import gzip
from collections.abc import Callable
from functools import lru_cache

import zstandard

ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstandard.ZstdCompressor(level=3).compress(body),
    "gzip": lambda body: gzip.compress(body, compresslevel=5, mtime=0),
    "identity": lambda body: body,
}


@lru_cache(maxsize=256)
def choose_encoding(accepted: str) -> str:
    """Return the best of our encodings that a client accepts (RFC 9110 section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            weights[name.strip()] = float(weight) if weight else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    offered = [name for name in ("zstd", "gzip") if weights.get(name, weights.get("*", 0.0)) > 0]
    return max(offered, key=lambda name: weights.get(name, weights.get("*", 0.0)), default="identity")
