"""Fetch what Cloudinary delivers, in pieces and up to a limit: for films whose bytes did not pass the API."""

from collections.abc import Callable
from typing import BinaryIO

import urllib3
from urllib3.exceptions import HTTPError

PIECE_BYTES = 1 << 20
CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0


class NotDownloaded(Exception):
    """The file did not come, or not in full."""


def fetch(url: str, target: BinaryIO, most: int, check: Callable[[], None] = lambda: None) -> int:
    """Write what is at `url` to `target`, at most `most` bytes; return how many. `check` may raise to stop."""
    size = 0
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    with urllib3.PoolManager(timeout=timeout, retries=False) as pool:
        try:
            with pool.request("GET", url, redirect=False, preload_content=False) as answer:
                if answer.status != 200:
                    raise NotDownloaded(f"status {answer.status}")
                for piece in answer.stream(PIECE_BYTES):
                    check()
                    size += len(piece)
                    if size > most:
                        raise NotDownloaded(f"more than {most} bytes")
                    target.write(piece)
        except HTTPError as error:  # also a body that is shorter than it was declared
            raise NotDownloaded(str(error)[:300]) from error
    return size
