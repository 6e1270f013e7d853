"""The Upload API's two great calls: upload and explicit."""

import base64
import binascii
import re
import secrets
from pathlib import Path
from typing import Any

from flask import Request, g

from cloudinary_local.access import check_signed, is_unsigned
from cloudinary_local.annotate import annotate, check_type, default_metadata, measure_focus, refuse_addons
from cloudinary_local.assets import TYPES, Asset, find_asset, update_doc, utc
from cloudinary_local.breakpoints import breakpoints
from cloudinary_local.derived import open_batch, output_format, request_derived
from cloudinary_local.errors import ApiError, bad_request, not_found, unauthorized
from cloudinary_local.ingest import keep, prepare
from cloudinary_local.links import show_asset, show_derived
from cloudinary_local.params import Fields, check_public_id
from cloudinary_local.remote import fetch
from cloudinary_local.server import Server
from cloudinary_local.settings import SYNC_VIDEO_BYTES
from cloudinary_local.signing import sign_answer
from cloudinary_local.transformation import parse, parse_eager

_DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.DOTALL)
_UNSIGNED_FIELDS = {
    "file", "upload_preset", "public_id", "folder", "tags", "context", "metadata", "callback", "source",
    "filename_override", "api_key", "timestamp", "face_coordinates", "custom_coordinates", "resource_type",
    "cloud_name",
}  # fmt: skip
_SYNC_SECONDS = 600.0


def authorize_upload(server: Server, fields: Fields) -> Fields:
    """Check who uploads; merge the upload preset; return the fields that count."""
    name = fields.text("upload_preset")
    unsigned = is_unsigned(fields) or (bool(name) and not fields.text("signature"))
    if unsigned and not name:
        raise bad_request("Upload preset must be specified when using unsigned upload")
    if not unsigned:
        check_signed(server.settings, fields)
    preset = server.store.document("preset", name) if name else None
    if name and preset is None:
        raise bad_request(f"Upload preset not found: {name[:80]}")
    if unsigned and preset is not None:
        if not preset.get("unsigned"):
            raise unauthorized("Upload preset must be whitelisted for unsigned uploads")
        surplus = set(fields) - _UNSIGNED_FIELDS
        if surplus:
            raise bad_request(
                f"{sorted(surplus)[0][:60]} parameter is not allowed when using unsigned upload"
            )
        fields["overwrite"] = "false"
    return Fields({**(preset or {}).get("settings", {}), **fields})


def upload(server: Server, resource_type: str, fields: Fields, request: Request) -> dict[str, Any]:
    """Answer an upload: whole, or one chunk of it."""
    fields = authorize_upload(server, fields)
    _check_parameters(fields)
    upload_id = request.headers.get("X-Unique-Upload-Id", "")
    content_range = request.headers.get("Content-Range", "")
    path, filename = _receive(server, fields, request)
    if not content_range:
        return finish_upload(server, resource_type, fields, path, filename)
    if not upload_id or len(upload_id) > 200:
        raise bad_request("Missing X-Unique-Upload-Id header")
    with server.chunks.lock(upload_id):
        known = server.chunks.answer(upload_id)
        if known is not None:
            return known
        whole = server.chunks.add(upload_id, content_range, path)
        if whole is None:
            # The SDK sends the next chunk under the public id of this answer, or under none.
            named = {"public_id": fields.text("public_id")} if fields.text("public_id") else {}
            return {"done": False, "kind": "upload", "bytes": path.stat().st_size, **named}
        try:
            answer = finish_upload(server, resource_type, fields, whole, filename)
        except ApiError:
            server.chunks.drop(upload_id)
            raise
        answer["done"] = True
        server.chunks.complete(upload_id, answer)
        return answer


def _check_parameters(fields: Fields) -> None:
    refuse_addons(fields)
    check_type(fields.text("type", "upload"), TYPES)
    parse(fields.text("transformation"))
    parse_eager(fields.text("eager"))
    if fields.text("public_id"):
        check_public_id(fields.text("public_id"))


def _receive(server: Server, fields: Fields, request: Request) -> tuple[Path, str]:
    sent = request.files.get("file")
    if sent is not None:
        stream: Any = sent.stream
        stream.flush()
        return Path(stream.name), sent.filename or "file"
    text = fields.text("file")
    if not text:
        raise bad_request("Missing required parameter - file")
    with server.files.new_temp() as target:
        g.temp_files.append(Path(target.name))
        found = _DATA_URI.match(text)
        if found:
            try:
                target.write(base64.b64decode(re.sub(r"\s", "", text[found.end() :]), validate=True))
            except (binascii.Error, ValueError) as error:
                raise bad_request("Invalid file parameter: malformed data URI") from error
            return Path(target.name), "file"
        fetch(server, text, target)
        return Path(target.name), text.partition("?")[0]


def finish_upload(
    server: Server, resource_type: str, fields: Fields, path: Path, filename: str
) -> dict[str, Any]:
    """Store a whole file, start what is eager, owe the webhook; return the answer."""
    draft = prepare(server, resource_type, fields, path, filename)
    default_metadata(server.store, draft.doc)
    annotate(server, draft, fields, clip=True)
    for one in parse_eager(fields.text("eager")):
        output_format(draft, one)
    asset = keep(server, draft, path, fields.flag("overwrite", default=True))
    if asset is None:
        known = find_asset(server.store, draft.resource_type, draft.type, draft.public_id)
        if known is None:
            raise not_found(f"Resource not found - {draft.public_id}")
        return {**present(server, known), "existing": True}
    answer = {**present(server, asset), **eager(server, asset, fields), **analyse(server, asset, fields)}
    notify(server, fields, "upload", answer)
    return answer


def explicit(server: Server, resource_type: str, fields: Fields) -> dict[str, Any]:
    """Answer an explicit call: annotations and renditions of an asset that is already here."""
    check_signed(server.settings, fields)
    _check_parameters(fields)
    if not fields.text("type"):
        raise bad_request("Missing required parameter - type")
    asset = find_asset(server.store, resource_type, fields.text("type"), fields.text("public_id"))
    if asset is None:
        raise not_found(f"Resource not found - {fields.text('public_id')[:200]}")
    annotate(server, asset, fields)
    if not update_doc(server.store, asset):
        raise not_found(f"Resource not found - {asset.public_id}")
    answer = {**present(server, asset), **eager(server, asset, fields), **analyse(server, asset, fields)}
    notify(server, fields, "explicit", answer)
    return answer


def present(server: Server, asset: Asset) -> dict[str, Any]:
    """Show an asset with the signature that proves the answer came from here."""
    signature = sign_answer(asset.public_id, asset.version, server.settings.secret)
    return {
        **show_asset(server.settings, g.base_url, asset),
        "signature": signature,
        "api_key": server.settings.key,
    }


def eager(server: Server, asset: Asset, fields: Fields) -> dict[str, Any]:
    """Start the renditions a request asks for; return the part of the answer that tells of them."""
    wanted = parse_eager(fields.text("eager"))
    if not wanted:
        return {}
    asynchronous = fields.flag("eager_async")
    if not asynchronous and asset.resource_type == "video" and asset.bytes > SYNC_VIDEO_BYTES:
        raise bad_request(
            "Video is too large to process synchronously, please use an eager transformation "
            "with eager_async=true to bypass"
        )
    with server.store.write():
        items = [request_derived(server.store, asset, one) for one in wanted]
        if asynchronous:
            url = fields.text("eager_notification_url") or fields.text("notification_url")
            doc = {"notification_url": url, "base": g.base_url, "request_id": g.request_id}
            batch_id = open_batch(server.store, asset, items, doc)
            server.renderer.settle(asset)
    server.renderer.wake()
    server.webhooks.wake()
    if asynchronous:
        entries = [show_derived(server.settings, g.base_url, asset, one) for one in items]
        pending = [{**one, "status": "processing", "batch_id": batch_id} for one in entries]
        return {"eager": pending, "batch_id": batch_id}
    finished = [server.renderer.wait(one.id, _SYNC_SECONDS) or one for one in items]
    for one in finished:
        if one.state == "failed":
            raise bad_request(one.doc.get("error", "Processing failed"))
    return {"eager": [show_derived(server.settings, g.base_url, asset, one) for one in finished]}


def analyse(server: Server, asset: Asset, fields: Fields) -> dict[str, Any]:
    """Add the analyses of an image that a request asks for."""
    found: dict[str, Any] = {}
    if asset.resource_type == "image" and fields.flag("quality_analysis"):
        found["quality_analysis"] = measure_focus(server, asset)
    if asset.resource_type == "image" and fields.text("responsive_breakpoints"):
        found["responsive_breakpoints"] = breakpoints(
            server, asset, g.base_url, fields.text("responsive_breakpoints")
        )
    return found


def notify(server: Server, fields: Fields, kind: str, answer: dict[str, Any]) -> None:
    """Owe the webhook of a finished call, if the request asks for one."""
    url = fields.text("notification_url")
    if url:
        head = {"notification_type": kind, "timestamp": utc(), "request_id": g.request_id}
        server.webhooks.owe(url, {**head, **answer})
        server.webhooks.wake()


def new_request_id() -> str:
    """Make the id that every answer carries."""
    return secrets.token_hex(16)
