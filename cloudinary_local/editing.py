"""Small calls of the Upload API: destroy, rename, tags, context, metadata, download."""

import time
from typing import Any

from flask import Response, g, send_file

from cloudinary_local.access import check_signed
from cloudinary_local.annotate import annotate, merge_context, merge_metadata
from cloudinary_local.assets import TYPES, Asset, find_asset, update_doc
from cloudinary_local.errors import bad_request, not_found, unauthorized
from cloudinary_local.ingest import remove
from cloudinary_local.links import show_asset
from cloudinary_local.params import Fields, check_public_id, parse_pairs
from cloudinary_local.server import Server
from cloudinary_local.upload import notify

# These calls may name a receiver without signing it.
_UNSIGNED_NOTICE = ("notification_url", "batch_id")


def destroy(server: Server, resource_type: str, fields: Fields) -> dict[str, Any]:
    """Delete an asset; `not found` is an answer, not an error."""
    check_signed(server.settings, fields)
    public_id = _required(fields, "public_id")
    asset = find_asset(server.store, resource_type, fields.text("type", "upload"), public_id)
    if asset:
        remove(server, asset)
    answer = {"result": "ok" if asset else "not found"}
    notify(server, fields, "delete", {**answer, "public_id": public_id, "resource_type": resource_type})
    return answer


def rename(server: Server, resource_type: str, fields: Fields) -> dict[str, Any]:
    """Give an asset another public id or type; its files stay where they are."""
    check_signed(server.settings, fields)
    kind = fields.text("type", "upload")
    to_kind = fields.text("to_type", kind)
    to_public_id = check_public_id(_required(fields, "to_public_id"))
    if to_kind not in TYPES:
        raise bad_request(f"Invalid type - {to_kind[:40]}")
    with server.naming:
        asset = find_asset(server.store, resource_type, kind, _required(fields, "from_public_id"))
        if asset is None:
            raise not_found(f"Resource not found - {fields.text('from_public_id')[:200]}")
        taken = find_asset(server.store, resource_type, to_kind, to_public_id)
        if taken and taken.asset_id != asset.asset_id:
            if not fields.flag("overwrite"):
                raise bad_request(f"to_public_id {to_public_id} already exists")
            remove(server, taken)
        annotate(server, asset, fields)
        asset.public_id, asset.type = to_public_id, to_kind
        with server.store.write() as db:
            values = (to_public_id, to_kind, asset.asset_id)
            db.execute("UPDATE assets SET public_id=?, type=? WHERE asset_id=?", values)
            update_doc(server.store, asset)
    answer = show_asset(server.settings, g.base_url, asset)
    notify(server, fields, "rename", {**answer, "from_public_id": fields.text("from_public_id")})
    return answer


def change_tags(server: Server, resource_type: str, fields: Fields) -> dict[str, Any]:
    """Add, remove or replace tags on many assets."""
    check_signed(server.settings, fields, _UNSIGNED_NOTICE)
    command = _required(fields, "command")
    tags = set(fields.parts("tag"))
    if command not in {"add", "remove", "replace", "remove_all", "set_exclusive"}:
        raise bad_request(f"Invalid command - {command[:40]}")
    if command == "set_exclusive":
        _strip_tags(server, resource_type, tags)

    def change(doc: dict[str, Any]) -> None:
        present = set(doc.get("tags", []))
        results = {"remove": present - tags, "replace": tags, "remove_all": set[str]()}
        doc["tags"] = sorted(results.get(command, present | tags))

    return _change_all(server, resource_type, fields, change)


def _strip_tags(server: Server, resource_type: str, tags: set[str]) -> None:
    rows = server.store.rows("SELECT public_id, type FROM assets WHERE resource_type=?", resource_type)
    for row in rows:
        asset = find_asset(server.store, resource_type, row["type"], row["public_id"])
        if asset and tags & set(asset.doc.get("tags", [])):
            asset.doc["tags"] = sorted(set(asset.doc["tags"]) - tags)
            update_doc(server.store, asset)


def change_context(server: Server, resource_type: str, fields: Fields) -> dict[str, Any]:
    """Add context to many assets, or remove all of it."""
    check_signed(server.settings, fields, _UNSIGNED_NOTICE)
    command = _required(fields, "command")
    pairs = parse_pairs(fields.text("context"))
    if command not in {"add", "remove_all"}:
        raise bad_request(f"Invalid command - {command[:40]}")

    def change(doc: dict[str, Any]) -> None:
        if command == "remove_all":
            doc.pop("context", None)
        else:
            merge_context(doc, pairs)

    return _change_all(server, resource_type, fields, change)


def change_metadata(server: Server, resource_type: str, fields: Fields) -> dict[str, Any]:
    """Set structured metadata on many assets."""
    check_signed(server.settings, fields, _UNSIGNED_NOTICE)
    values = parse_pairs(_required(fields, "metadata"))
    return _change_all(server, resource_type, fields, lambda doc: merge_metadata(server.store, doc, values))


def _change_all(server: Server, resource_type: str, fields: Fields, change: Any) -> dict[str, Any]:
    changed: list[str] = []
    with server.store.write():
        for public_id in fields.ids("public_ids")[:1000]:
            asset = find_asset(server.store, resource_type, fields.text("type", "upload"), public_id)
            if asset:
                change(asset.doc)
                update_doc(server.store, asset)
                changed.append(public_id)
    answer = {"public_ids": changed}
    notify(server, fields, "resource_change", answer)
    return answer


def download(server: Server, resource_type: str, fields: Fields) -> Response:
    """Send an original of any type to the holder of a signed, expiring URL."""
    check_signed_link(server, fields)
    public_id, extension = _required(fields, "public_id"), fields.text("format")
    kind = fields.text("type", "upload")
    asset = find_asset(server.store, resource_type, kind, public_id)
    if asset is None or (extension and extension != asset.format):
        raise not_found(f"Resource not found - {public_id[:200]}")
    return _send_original(server, asset, fields)


def check_signed_link(server: Server, fields: Fields) -> None:
    """Check a signed GET: it lives until `expires_at`, or for an hour from its timestamp."""
    expires = fields.text("expires_at")
    if not expires:
        check_signed(server.settings, fields)
        return
    if fields.number("expires_at", 0, 0, 10**15) <= time.time():
        raise unauthorized("Expired: this URL is no longer valid")
    # A link may outlive the hour of an API call: its own expiry is signed too.
    check_signed(server.settings, fields, stale_ok=True)


def _send_original(server: Server, asset: Asset, fields: Fields) -> Response:
    attachment = fields.text("attachment") not in {"", "0", "false"}
    name = asset.public_id.rpartition("/")[2]
    return send_file(
        server.files.original(asset.asset_id, asset.version),
        as_attachment=attachment,
        download_name=f"{name}.{asset.format}" if asset.format else name,
        etag=asset.etag,
        conditional=True,
    )


def _required(fields: Fields, name: str) -> str:
    value = fields.text(name)
    if not value:
        raise bad_request(f"Missing required parameter - {name}")
    return value
