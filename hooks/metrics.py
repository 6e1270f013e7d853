"""Counts every request by method, route template and status, and how long it took."""

import time

from flask import Response, request

from clients.metrics import note_request
from machine.current import g
from machine.http.request_log import route


def end(response: Response) -> Response:
    """Count the request. What has no route is counted as one, whatever its path was."""
    path = route() or "none"
    note_request(request.method, path, response.status_code, time.perf_counter() - g.began)
    return response
