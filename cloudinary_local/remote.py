"""Uploads from a URL: off unless the server was started with the prefixes it may fetch."""

from typing import IO

import urllib3
from urllib3.exceptions import HTTPError

from cloudinary_local.errors import bad_request
from cloudinary_local.files import PIECE
from cloudinary_local.server import Server

_SECONDS = 30.0


def fetch(server: Server, url: str, target: IO[bytes]) -> None:
    """Fetch a remote file into `target`; 400 unless its prefix is allowed and it can be had."""
    if not url.startswith(("http://", "https://", "ftp://", "s3://", "gs://")):
        raise bad_request("Invalid file parameter: expected a file, a data URI or a URL")
    if not url.startswith(server.settings.remote_prefixes or ("\0",)):
        raise bad_request("Remote uploads are off on this server (start it with --remote-from URL_PREFIX)")
    try:
        answer = urllib3.PoolManager(timeout=_SECONDS, retries=False).request(
            "GET", url, preload_content=False, redirect=False
        )
        if answer.status != 200:
            raise bad_request(f"Error in loading {url[:200]} - {answer.status}")
        size = 0
        for piece in answer.stream(PIECE):
            size += len(piece)
            if size > server.settings.max_bytes:
                raise bad_request(f"File size too large. Maximum is {server.settings.max_bytes}.")
            target.write(piece)
    except (HTTPError, ValueError) as error:
        raise bad_request(f"Error in loading {url[:200]}") from error
