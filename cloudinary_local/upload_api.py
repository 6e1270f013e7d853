"""Routes of the Upload API: `/v1_1/<cloud>/<resource_type>/<action>`."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from cloudinary_local import archive, editing, generated
from cloudinary_local.access import check_cloud
from cloudinary_local.assets import RESOURCE_TYPES
from cloudinary_local.errors import not_found
from cloudinary_local.params import Fields, read_fields
from cloudinary_local.server import Server
from cloudinary_local.upload import explicit, upload

_ACTIONS: dict[str, Callable[[Server, str, Fields], Any]] = {
    "explicit": explicit,
    "destroy": editing.destroy,
    "rename": editing.rename,
    "tags": editing.change_tags,
    "context": editing.change_context,
    "metadata": editing.change_metadata,
    "download": editing.download,
    "text": generated.text,
    "sprite": generated.sprite,
    "multi": generated.multi,
    "generate_archive": archive.generate,
}


def blueprint(server: Server) -> Blueprint:
    """Build the Upload API."""
    routes = Blueprint("upload_api", __name__, url_prefix="/v1_1/<cloud>")

    @routes.route("/<any(image, video, raw, auto, all):resource_type>/<action>", methods=["GET", "POST"])
    def call(cloud: str, resource_type: str, action: str) -> Any:
        check_cloud(server.settings, cloud)
        readable = action in {"download", "generate_archive"}
        if request.method == "GET" and not readable:
            raise not_found(f"Cannot GET {action[:40]}")
        fields = read_fields(request)
        if action in {"upload", "upload_chunked"}:
            return upload(server, _kind(resource_type, "auto"), fields, request)
        if action not in _ACTIONS:
            raise not_found(f"Unknown action {action[:40]}")
        return _ACTIONS[action](server, _kind(resource_type, "all"), fields)

    @routes.route("/upload", methods=["POST"])
    def upload_default(cloud: str) -> Response | dict[str, Any]:
        check_cloud(server.settings, cloud)
        return upload(server, "image", read_fields(request), request)

    return routes


def _kind(resource_type: str, extra: str) -> str:
    if resource_type not in (*RESOURCE_TYPES, extra):
        raise not_found(f"Invalid resource type {resource_type}")
    return resource_type
