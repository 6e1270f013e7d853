"""Calls that make a new asset out of nothing or of others: text, sprite, multi."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from flask import g

from cloudinary_local.access import check_signed
from cloudinary_local.assets import Asset, find_asset, utc
from cloudinary_local.errors import bad_request
from cloudinary_local.files import md5_of
from cloudinary_local.geometry import number
from cloudinary_local.images import FORMATS, draw_text, montage
from cloudinary_local.ingest import keep
from cloudinary_local.links import delivery_url
from cloudinary_local.listing import tagged
from cloudinary_local.params import Fields, check_public_id
from cloudinary_local.probe import probe_image
from cloudinary_local.server import Server
from cloudinary_local.transformation import parse
from cloudinary_local.upload import present


def text(server: Server, resource_type: str, fields: Fields) -> dict[str, Any]:
    """Draw a text as an image of type `text`."""
    check_signed(server.settings, fields)
    words = fields.text("text")[:1000]
    if not words.strip():
        raise bad_request("Missing required parameter - text")
    target = _new_file(server)
    size = number(fields.text("font_size", "12"), "font_size", 1, 400)
    draw_text(words, size, fields.text("font_color", "black"), target)
    public_id = fields.text("public_id") or hashlib.sha256(words.encode()).hexdigest()[:20]
    return present(server, _keep_image(server, target, "text", public_id))


def sprite(server: Server, resource_type: str, fields: Fields) -> dict[str, Any]:
    """Join images, by tag or by URL, into one sheet; the answer lists their places."""
    check_signed(server.settings, fields)
    sources = _sources(server, fields)
    extension = _extension(fields, "png")
    target = _new_file(server)
    paths = [server.files.original(one.asset_id, one.version) for one in sources]
    places = montage(paths, target, "png")
    asset = _keep_image(server, target, "sprite", _name(fields, sources))
    links = {
        f"{name}_url": delivery_url(server.settings, g.base_url, asset, fields.text("transformation"), kind)
        for name, kind in (("css", "css"), ("image", extension), ("json", "json"))
    }
    links |= {f"secure_{name}": url for name, url in links.items()}
    infos = {one.public_id: place for one, place in zip(sources, places, strict=True)}
    return {"public_id": asset.public_id, "version": asset.version, **links, "image_infos": infos}


def multi(server: Server, resource_type: str, fields: Fields) -> dict[str, Any]:
    """Join images, by tag or by URL, into one document."""
    check_signed(server.settings, fields)
    sources = _sources(server, fields)
    extension = _extension(fields, "gif")
    target = _new_file(server)
    montage([server.files.original(one.asset_id, one.version) for one in sources], target, "png")
    asset = _keep_image(server, target, "multi", _name(fields, sources))
    url = delivery_url(server.settings, g.base_url, asset, fields.text("transformation"), extension)
    return {"public_id": asset.public_id, "version": asset.version, "url": url, "secure_url": url}


def _sources(server: Server, fields: Fields) -> list[Asset]:
    found = [_by_url(server, url) for url in fields.ids("urls")]
    found += tagged(server.store, "image", fields.text("tag")) if fields.text("tag") else []
    sources = list({one.asset_id: one for one in found if one}.values())
    if not sources:
        raise bad_request("No images found for the given tag or urls")
    return sources[:100]


def _by_url(server: Server, url: str) -> Asset | None:
    parts = urlsplit(url).path.split("/", 4)
    if len(parts) < 5 or parts[1] != server.settings.cloud or parts[2] != "image":
        raise bad_request("Only URLs of this account can be joined")
    name = unquote(parts[4])
    head, _, rest = name.partition("/")
    stem = (rest if head[:1] == "v" and head[1:].isdigit() else name).rpartition(".")[0]
    return find_asset(server.store, "image", parts[3], stem)


def _name(fields: Fields, sources: list[Asset]) -> str:
    given = fields.text("public_id") or fields.text("tag")
    return given or hashlib.sha256("|".join(one.public_id for one in sources).encode()).hexdigest()[:20]


def _extension(fields: Fields, default: str) -> str:
    steps = parse(fields.text("transformation"))
    asked = next((step["f"] for step in reversed(steps) if "f" in step), "")
    extension = fields.text("format") or asked or default
    if extension not in FORMATS:
        raise bad_request(f"Unsupported image format - {extension[:20]}")
    return extension


def _new_file(server: Server) -> Path:
    with server.files.new_temp() as stream:
        g.temp_files.append(Path(stream.name))
        return Path(stream.name)


def _keep_image(server: Server, path: Path, kind: str, public_id: str) -> Asset:
    facts = probe_image(path)
    draft = Asset(
        asset_id="", resource_type="image", type=kind, public_id=check_public_id(public_id), version=0,
        format=facts.pop("format"), bytes=path.stat().st_size, etag=md5_of(path), created_at=utc(), doc=facts,
    )  # fmt: skip
    keep(server, draft, path)
    return draft
