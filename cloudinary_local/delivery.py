"""Delivery of originals and derived files at `/<cloud>/<resource_type>/<type>/...`."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, Response, make_response, request, send_file

from cloudinary_local.access import check_cloud
from cloudinary_local.assets import RESOURCE_TYPES, TYPES, Asset, find_asset
from cloudinary_local.breakpoints import widths
from cloudinary_local.derived import FRAME_FORMATS, Derived, output_format, request_derived
from cloudinary_local.errors import ApiError, bad_request, not_found
from cloudinary_local.gate import check_access, raw_path
from cloudinary_local.ranges import in_part
from cloudinary_local.server import Server
from cloudinary_local.settings import SYNC_VIDEO_BYTES
from cloudinary_local.transformation import Eager, parse, parse_step

_SIGNATURE = re.compile(r"s--([A-Za-z0-9_-]{8}|[A-Za-z0-9_-]{32})--")
_VERSION = re.compile(r"v\d{1,15}")
_STREAM_PART = re.compile(r"(.+)\.hls/(v\d{1,3}\.m3u8|v\d{1,3}_\d{1,6}\.ts)", re.DOTALL)
_BREAKPOINTS = re.compile(r"(?:c_scale,)?w_auto:breakpoints(?:_(\d+)_(\d+)_(\d+)_(\d+))?:json")
_ATTACHMENT = re.compile(r"fl_attachment(:[^,/]*)?")
_WAIT_SECONDS = 120.0
_TYPES = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
    "bmp": "image/bmp", "ico": "image/x-icon", "tiff": "image/tiff", "pdf": "application/pdf",
    "mp4": "video/mp4", "m4v": "video/mp4", "mov": "video/quicktime", "webm": "video/webm",
    "mkv": "video/x-matroska", "ts": "video/mp2t", "avi": "video/x-msvideo", "mp3": "audio/mpeg",
    "m4a": "audio/mp4", "m3u8": "application/vnd.apple.mpegurl",
}  # fmt: skip


@dataclass
class Target:
    """What a delivery URL asks for."""

    asset: Asset
    transformation: str
    extension: str
    signature: str
    signed_path: str
    part: str = ""


def blueprint(server: Server) -> Blueprint:
    """Build the delivery routes."""
    routes = Blueprint("delivery", __name__)

    @routes.get("/<cloud>/<resource_type>/<kind>/<path:rest>")
    def deliver(cloud: str, resource_type: str, kind: str, rest: str) -> Response:
        check_cloud(server.settings, cloud)
        if resource_type not in RESOURCE_TYPES or kind not in TYPES:
            raise not_found("Resource not found")
        target = _resolve(server, resource_type, kind, raw_path(request).split("/", 4)[4])
        carried = check_access(server.settings, request, target.asset, target.signature, target.signed_path)
        return _answer(server, target, carried)

    return routes


def _resolve(server: Server, resource_type: str, kind: str, raw: str) -> Target:
    """Find the asset a path names; transformations and folders look alike, so the store decides."""
    components = raw.split("/")
    found = _SIGNATURE.fullmatch(components[0])
    signature = found[1] if found else ""
    if found:
        components = components[1:]
    most = 0
    while most < len(components) - 1 and parse_step(unquote(components[most])):
        most += 1
    for count in range(most, -1, -1):
        steps, rest = components[:count], components[count:]
        starts = [1, 0] if len(rest) > 1 and _VERSION.fullmatch(rest[0]) else [0]
        for start in starts:
            source = "/".join(rest[start:])
            target = _find(server, resource_type, kind, source)
            if target:
                target.transformation = unquote("/".join(steps))
                target.signature = signature
                target.signed_path = "/".join([*steps, target.signed_path])
                return target
    raise not_found(f"Resource not found - {unquote(components[-1])[:100]}")


def _find(server: Server, resource_type: str, kind: str, source: str) -> Target | None:
    candidates = [(source, "")]
    part = _STREAM_PART.fullmatch(source)
    if part:
        # Parts of a stream stand under the signature of their master playlist.
        candidates.append((f"{part[1]}.m3u8", part[2]))
    for path, name in candidates:
        stem, dot, extension = unquote(path).rpartition(".")
        named = (
            find_asset(server.store, resource_type, kind, stem) if dot and resource_type != "raw" else None
        )
        if named and "/" not in extension:
            return Target(named, "", extension.lower(), "", path, name)
        whole = find_asset(server.store, resource_type, kind, unquote(path))
        if whole:
            return Target(whole, "", "", "", path, name)
    return None


def _answer(server: Server, target: Target, carried: str) -> Response:
    asset = target.asset
    listing = _BREAKPOINTS.fullmatch(target.transformation)
    if listing and asset.resource_type == "image":
        return _list_widths(server, asset, listing)
    if target.transformation == "fl_getinfo":
        size = {name: asset.doc.get(name, 0) for name in ("width", "height")} | {"bytes": asset.bytes}
        return make_response({"input": size, "output": size})
    # The flag alone is no change of the file; beside anything else it is part of a transformation.
    attached = _ATTACHMENT.fullmatch(target.transformation) is not None
    original = not target.transformation or attached
    if original and target.extension in {"", asset.format} and not target.part:
        path = server.files.original(asset.asset_id, asset.version)
        return _send(path, asset.format, asset.etag, asset, attached)
    derived = _make(server, target)
    folder = server.files.derived_dir(asset.asset_id, asset.version, derived.id)
    if derived.format != "m3u8":
        return _send(
            folder / f"out.{derived.format}", derived.format, derived.doc.get("etag", derived.id), asset
        )
    name = target.part or "master.m3u8"
    path = folder / name
    if not path.is_file():
        raise not_found("Resource not found")
    if name.endswith(".ts"):
        return _send(path, "ts", f"{derived.id}-{name}", asset)
    stem = unquote(target.signed_path.rpartition("/")[2]).removesuffix(".m3u8")
    return _send_playlist(path, stem if not target.part else "", carried, asset)


def _make(server: Server, target: Target) -> Derived:
    """Return the finished rendition, made on the fly if it may be; 423 while it is in the queue."""
    asset = target.asset
    eager = Eager(target.transformation, target.extension)
    chosen = output_format(asset, eager)
    row = server.store.row(
        "SELECT id, state FROM derived WHERE asset_id=? AND version=? AND transformation=? AND format=?",
        asset.asset_id, asset.version, target.transformation, chosen,
    )  # fmt: skip
    if row is None:
        if asset.resource_type == "video" and asset.bytes > SYNC_VIDEO_BYTES and chosen not in FRAME_FORMATS:
            raise bad_request(
                "Video is too large to process synchronously, please use an eager transformation"
            )
        parse(target.transformation)
    elif row["state"] == "failed":
        # Like the CDN, remember the failure: only an explicit call tries again.
        doc = server.store.row("SELECT doc FROM derived WHERE id=?", row["id"])
        raise bad_request(
            json.loads(doc["doc"]).get("error", "Processing failed") if doc else "Processing failed"
        )
    derived = request_derived(server.store, asset, eager)
    if derived.state == "queued":
        found = server.renderer.wait(derived.id, _WAIT_SECONDS if row is None else 0.0)
        if found is None:
            raise not_found("Resource not found")
        derived = found
    if derived.state == "queued":
        raise ApiError(423, "Derived resource is still being processed")
    if derived.state == "failed":
        raise bad_request(derived.doc.get("error", "Processing failed"))
    return derived


def _send(path: Path, extension: str, etag: str, asset: Asset, attached: bool = False) -> Response:
    if not path.is_file():
        raise not_found("Resource not found")
    response = send_file(
        path,
        mimetype=_TYPES.get(extension, "application/octet-stream"),
        conditional=False,
        etag=etag,
        as_attachment=attached,
        download_name=asset.public_id.rpartition("/")[2] + f".{extension}" if attached else None,
    )
    # What the client has already is 304, whichever part of it is asked for (RFC 9110, section 13.2.2).
    response.make_conditional(request)
    return _cacheable(in_part(request, response, path), asset)


def _send_playlist(path: Path, stem: str, carried: str, asset: Asset) -> Response:
    """Send a playlist; a master's entries point into `<stem>.hls/`, and the token is passed on."""
    folder = f"{_quoted(stem)}.hls/" if stem else ""
    query = f"?{carried}" if carried else ""
    lines = [
        f"{folder}{line}{query}" if line and not line.startswith("#") else line
        for line in path.read_text().splitlines()
    ]
    response = make_response("\n".join(lines) + "\n")
    response.mimetype = _TYPES["m3u8"]
    response.add_etag()
    response.make_conditional(request)
    return _cacheable(response, asset)


def _quoted(name: str) -> str:
    return re.sub(
        r"[^a-zA-Z0-9_.\-]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name
    )


def _cacheable(response: Response, asset: Asset) -> Response:
    response.headers["Cache-Control"] = (
        "private, max-age=600" if asset.is_guarded else "public, max-age=2592000"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _list_widths(server: Server, asset: Asset, listing: re.Match[str]) -> Response:
    names = ("min_width", "max_width", "bytes_step", "max_images")
    setting: dict[str, Any] = {
        name: int(one) for name, one in zip(names, listing.groups(), strict=True) if one
    }
    if "bytes_step" in setting:
        setting["bytes_step"] = max(1, setting["bytes_step"] * 1000)
    found = [width for width, _, _ in widths(server, asset, [], asset.format, setting)]
    return make_response({"breakpoints": found, "public_id": asset.public_id})
