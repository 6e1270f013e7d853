"""Reads the rest of a small request body that nothing has read before the answer.

A server closes a connection whose request is still on its way when it is answered. A client that has not heard of it
yet sends its next request there, and gets no answer.
"""

import contextlib

from flask import Response, request
from werkzeug.exceptions import HTTPException

# More than that is not worth the wait: the connection is closed.
SMALL_BYTES = 64 * 1024


def finish(response: Response) -> Response:
    """Take in the rest of a small body that nobody has wanted to read."""
    if 0 < (request.content_length or 0) <= SMALL_BYTES:
        with contextlib.suppress(HTTPException, OSError):
            request.stream.read()
    return response
