"""The web application: routes, one error shape, CORS, request ids and temporary files."""

import logging
import sqlite3
import time
from email.utils import formatdate
from pathlib import Path
from typing import IO, Any

from flask import Flask, Request, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from cloudinary_local import admin, admin_settings, delivery, upload_api
from cloudinary_local.errors import ApiError
from cloudinary_local.server import Server
from cloudinary_local.settings import MIB
from cloudinary_local.upload import new_request_id

_LOG = logging.getLogger("cloudinary_local")
_HOURLY_CALLS = 5000
_EXPOSED = "Accept-Ranges, Content-Length, Content-Range, ETag, X-Cld-Error, X-Request-Id"
_ALLOWED = "Authorization, Content-Range, Content-Type, Range, X-Requested-With, X-Unique-Upload-Id"


class CloudinaryApp(Flask):
    """A Flask application that knows its server."""

    def __init__(self, server: Server) -> None:
        super().__init__("cloudinary_local", static_folder=None)
        self.server = server
        self.request_class = _request_class(server)
        # The file part goes to disk as it arrives; a data URI is a text field and may be large.
        self.config["MAX_FORM_MEMORY_SIZE"] = 64 * MIB
        self.config["MAX_CONTENT_LENGTH"] = server.settings.max_bytes + 64 * MIB
        self.url_map.merge_slashes = False


def _request_class(server: Server) -> type[Request]:
    class StreamedRequest(Request):
        """Writes every file part straight to the data directory."""

        def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
            stream = server.files.new_temp()
            g.temp_files.append(Path(stream.name))
            return stream

    return StreamedRequest


def create_app(server: Server) -> CloudinaryApp:
    """Build the application around a server's parts."""
    app = CloudinaryApp(server)
    app.before_request(_open_request)
    app.after_request(_close_request)
    app.teardown_request(_drop_temp_files)
    app.register_error_handler(ApiError, _show_refusal)
    app.register_error_handler(HTTPException, _show_http_error)
    app.register_error_handler(sqlite3.OperationalError, _show_busy)
    app.register_error_handler(OSError, _show_disk_error)
    app.register_error_handler(Exception, _show_defect)
    app.add_url_rule("/healthz", view_func=lambda: {"status": "ok"})
    for routes in (upload_api, admin_settings, admin, delivery):
        app.register_blueprint(routes.blueprint(server))
    return app


def _open_request() -> Response | None:
    g.request_id = new_request_id()
    g.base_url = request.host_url.rstrip("/")
    g.temp_files = []
    return Response(status=200) if request.method == "OPTIONS" else None


def _close_request(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-Id"] = g.get("request_id", "")
    headers["Server"] = "cloudinary"
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Access-Control-Expose-Headers"] = _EXPOSED
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS, POST, PUT, DELETE"
        headers["Access-Control-Allow-Headers"] = _ALLOWED
        headers["Access-Control-Max-Age"] = "86400"
    if request.blueprint in {"admin", "admin_settings"}:
        headers["X-FeatureRateLimit-Limit"] = str(_HOURLY_CALLS)
        headers["X-FeatureRateLimit-Remaining"] = str(_HOURLY_CALLS - 1)
        headers["X-FeatureRateLimit-Reset"] = formatdate((time.time() // 3600 + 1) * 3600, usegmt=True)
    return response


def _drop_temp_files(error: BaseException | None) -> None:
    for path in g.get("temp_files", []):
        path.unlink(missing_ok=True)


def _error(status: int, message: str) -> Response:
    response = jsonify({"error": {"message": message}})
    response.status_code = status
    # A header cannot carry line breaks or characters beyond Latin-1.
    response.headers["X-Cld-Error"] = (
        message.encode("ascii", "replace").decode().replace("\r", " ").replace("\n", " ")
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _show_refusal(error: ApiError) -> Response:
    response = _error(error.status, error.message)
    response.headers.update(error.headers)
    return response


def _show_http_error(error: HTTPException) -> Response:
    return _error(error.code or 500, error.name)


def _show_busy(error: sqlite3.OperationalError) -> Response:
    _LOG.exception("the store refused")
    return _error(503, "Temporarily unavailable")


def _show_disk_error(error: OSError) -> Response:
    _LOG.exception("the disk refused")
    return _error(503, "Temporarily unavailable")


def _show_defect(error: Exception) -> Response:
    _LOG.exception("unexpected error")
    return _error(500, "General Error")
