"""Turn a received file into an asset: recognise it, name it, keep it."""

import os
import re
import secrets
import time
from pathlib import Path
from typing import Any

from cloudinary_local.assets import Asset, delete_asset, find_asset, save_asset, utc
from cloudinary_local.errors import ApiError, bad_request
from cloudinary_local.files import md5_of, place, sync_tree
from cloudinary_local.images import render_image
from cloudinary_local.params import Fields, check_public_id
from cloudinary_local.probe import probe_image, probe_video
from cloudinary_local.server import Server
from cloudinary_local.sniff import image_kind, read_head, video_demuxer
from cloudinary_local.transformation import parse

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_JPEG_NAMES = {"jpg", "jpeg"}


def prepare(server: Server, resource_type: str, fields: Fields, path: Path, filename: str) -> Asset:
    """Check a received file and describe the asset it will be; nothing is stored yet."""
    size = path.stat().st_size
    if size == 0:
        raise bad_request("Empty file")
    if size > server.settings.max_bytes:
        raise bad_request(f"File size too large. Got {size}. Maximum is {server.settings.max_bytes}.")
    resource_type, facts = _recognise(resource_type, path)
    facts = _incoming(server, resource_type, fields, path, facts)
    _check_format(fields, facts)
    name = fields.text("filename_override") or filename
    public_id = _choose_public_id(fields, resource_type, name)
    facts["original_filename"] = _stem(name)
    extension = facts.pop("format", _extension(public_id or name))
    draft = Asset(
        asset_id="", resource_type=resource_type, type=fields.text("type", "upload"), public_id=public_id,
        version=0, format=extension, bytes=path.stat().st_size, etag=md5_of(path), created_at=utc(),
        doc=facts,
    )  # fmt: skip
    return draft


def keep(server: Server, draft: Asset, path: Path, overwrite: bool = True) -> Asset | None:
    """Put the file in place, commit its row, remove what it replaces.

    Return None, and keep nothing, when the name is taken and must not be overwritten.
    """
    os.chmod(path, 0o644)
    sync_tree(path)
    with server.naming:
        existing = find_asset(server.store, draft.resource_type, draft.type, draft.public_id)
        if existing and not overwrite:
            return None
        draft.asset_id = existing.asset_id if existing else secrets.token_hex(16)
        draft.version = _next_version(existing)
        place(path, server.files.original(draft.asset_id, draft.version))
        save_asset(server.store, draft)
        if existing:
            server.renderer.cancel(existing.asset_id)
            server.files.drop_version(existing.asset_id, existing.version)
    return draft


def remove(server: Server, asset: Asset) -> None:
    """Delete an asset: its row first, then its renders and files."""
    with server.naming:
        delete_asset(server.store, asset.asset_id)
        server.renderer.cancel(asset.asset_id)
        server.files.drop_asset(asset.asset_id)


def _recognise(resource_type: str, path: Path) -> tuple[str, dict[str, Any]]:
    if resource_type == "auto":
        head = read_head(path)
        for kind, matches, probe in (
            ("image", image_kind(head), probe_image),
            ("video", video_demuxer(head), probe_video),
        ):
            if matches:
                try:
                    return kind, probe(path)
                except ApiError:
                    continue
        return "raw", {}
    if resource_type == "image":
        return resource_type, probe_image(path)
    if resource_type == "video":
        return resource_type, probe_video(path)
    return resource_type, {}


def _incoming(
    server: Server, resource_type: str, fields: Fields, path: Path, facts: dict[str, Any]
) -> dict[str, Any]:
    """Apply an incoming transformation or format to an image before it is stored."""
    transformation, wanted = fields.text("transformation"), fields.text("format")
    if resource_type != "image" or not (transformation or wanted):
        return facts
    with server.files.new_temp() as stream:
        target = Path(stream.name)
    try:
        render_image(path, parse(transformation), wanted or facts["format"], target)
        facts = probe_image(target)
        os.replace(target, path)
    finally:
        target.unlink(missing_ok=True)
    return facts


def _check_format(fields: Fields, facts: dict[str, Any]) -> None:
    allowed = {name.lower() for name in fields.parts("allowed_formats")}
    if allowed & _JPEG_NAMES:
        allowed |= _JPEG_NAMES
    if allowed and facts.get("format", "") not in allowed:
        raise bad_request(f"Image file format {facts.get('format', '')} not allowed")


def _choose_public_id(fields: Fields, resource_type: str, name: str) -> str:
    public_id = fields.text("public_id")
    if not public_id:
        public_id = _random(20)
        if fields.flag("use_filename"):
            public_id = re.sub(r"[?&#%<>\\/\x00-\x20]", "_", _stem(name)) or public_id
            if fields.flag("unique_filename", default=True):
                public_id += f"_{_random(6)}"
        if resource_type == "raw" and _extension(name):
            public_id += f".{_extension(name)}"
    prefix = (fields.text("folder") or fields.text("public_id_prefix")).strip("/")
    return check_public_id(f"{prefix}/{public_id}" if prefix else public_id)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _next_version(existing: Asset | None) -> int:
    now = int(time.time())
    return max(now, existing.version + 1) if existing else now


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _stem(name: str) -> str:
    base = _base(name)
    return base.rpartition(".")[0] or base


def _extension(name: str) -> str:
    extension = _base(name).rpartition(".")
    return extension[2].lower() if extension[0] and re.fullmatch(r"[A-Za-z0-9]{1,8}", extension[2]) else ""
