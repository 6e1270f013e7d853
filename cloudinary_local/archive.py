"""Archives of many assets as one zip, kept as a raw asset or streamed to a signed link."""

import time
import zipfile
from pathlib import Path
from typing import Any

from flask import Response, g, send_file

from cloudinary_local.access import check_signed
from cloudinary_local.assets import Asset, utc
from cloudinary_local.derived import request_derived
from cloudinary_local.editing import check_signed_link
from cloudinary_local.errors import bad_request
from cloudinary_local.files import md5_of
from cloudinary_local.ingest import keep
from cloudinary_local.listing import Query
from cloudinary_local.params import MAX_RESULTS, Fields, check_public_id
from cloudinary_local.server import Server
from cloudinary_local.transformation import Eager, parse_eager
from cloudinary_local.upload import present

_WAIT_SECONDS = 120.0


def generate(server: Server, resource_type: str, fields: Fields) -> dict[str, Any] | Response:
    """Zip the assets chosen by tag, prefix or public id."""
    streamed = fields.text("mode") == "download"
    if streamed:
        check_signed_link(server, fields)
    else:
        check_signed(server.settings, fields)
    if fields.text("target_format", "zip") != "zip":
        raise bad_request("Only zip archives are supported")
    assets = _chosen(server, resource_type, fields)
    with server.files.new_temp() as stream:
        path = Path(stream.name)
    g.temp_files.append(path)
    count = _write(server, assets, parse_eager(fields.text("transformations")) or [Eager("", "")], path)
    if streamed:
        return send_file(path, mimetype="application/zip", as_attachment=True, download_name="archive.zip")
    name = fields.text("target_public_id") or f"archive_{int(time.time())}_{md5_of(path)[:6]}.zip"
    draft = Asset(
        asset_id="", resource_type="raw", type="upload", public_id=check_public_id(name), version=0,
        format="zip", bytes=path.stat().st_size, etag=md5_of(path), created_at=utc(),
        doc={"tags": sorted(fields.parts("target_tags"))},
    )  # fmt: skip
    keep(server, draft, path)
    return {**present(server, draft), "resource_count": len(assets), "file_count": count}


def _chosen(server: Server, resource_type: str, fields: Fields) -> list[Asset]:
    query = Query().where("type=?", fields.text("type", "upload"))
    if resource_type != "all":
        query.where("resource_type=?", resource_type)
    chosen: dict[str, Asset] = {}
    selectors = [Query.tag, Query.prefix]
    for name, add in zip(("tags", "prefixes"), selectors, strict=True):
        for value in fields.parts(name):
            one = Query().where("type=?", fields.text("type", "upload"))
            if resource_type != "all":
                one.where("resource_type=?", resource_type)
            found, _ = add(one, value).page(server.store, Fields(), MAX_RESULTS)
            chosen |= {asset.asset_id: asset for asset in found}
    if fields.parts("public_ids"):
        found, _ = query.one_of("public_id", fields.parts("public_ids")).page(
            server.store, Fields(), MAX_RESULTS
        )
        chosen |= {asset.asset_id: asset for asset in found}
    if not chosen:
        raise bad_request("No resources match the given parameters")
    return list(chosen.values())


def _write(server: Server, assets: list[Asset], wanted: list[Eager], path: Path) -> int:
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for asset in assets:
            for one in wanted:
                source, extension = _file(server, asset, one)
                name = asset.public_id if asset.resource_type == "raw" else f"{asset.public_id}.{extension}"
                archive.write(source, f"{one.transformation.replace('/', '_')}/{name}".lstrip("/"))
                count += 1
    return count


def _file(server: Server, asset: Asset, one: Eager) -> tuple[Path, str]:
    if not one.transformation or asset.resource_type == "raw":
        return server.files.original(asset.asset_id, asset.version), asset.format
    derived = request_derived(server.store, asset, one)
    finished = server.renderer.wait(derived.id, _WAIT_SECONDS)
    if finished is None or finished.state != "done" or finished.format == "m3u8":
        raise bad_request("A transformation of the archive failed")
    folder = server.files.derived_dir(asset.asset_id, asset.version, finished.id)
    return folder / f"out.{finished.format}", finished.format
