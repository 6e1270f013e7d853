"""What clients attach to an asset: tags, context, structured metadata, coordinates, moderation."""

import json
from typing import Any

from PIL import Image, ImageFilter, ImageStat

from cloudinary_local.assets import Asset
from cloudinary_local.errors import bad_request
from cloudinary_local.params import Fields, parse_boxes, parse_pairs
from cloudinary_local.server import Server
from cloudinary_local.sniff import image_kind, read_head
from cloudinary_local.store import Store

# Add-ons that need somebody else's service: asking for one is refused, in Cloudinary's words.
_ADDONS = {
    "raw_convert": "Raw convert is invalid",
    "categorization": "Categorization value '{}' is not valid",
    "detection": "Detection invalid model '{}'",
    "background_removal": "Background removal '{}' is invalid",
    "ocr": "OCR value '{}' is not valid",
}


def refuse_addons(fields: Fields, admin: bool = False) -> None:
    """Answer 400 to what only an add-on could do."""
    for name, message in _ADDONS.items():
        value = fields.text(name)
        if value:
            raise bad_request(
                f"Illegal value {value[:40]} for {name}" if admin else message.format(value[:40])
            )


def check_type(kind: str, allowed: tuple[str, ...]) -> str:
    """Refuse a delivery type that does not exist."""
    if kind not in allowed:
        raise bad_request(f"Invalid type - {kind[:40]}")
    return kind


def annotate(server: Server, asset: Asset, fields: Fields, clip: bool = False) -> None:
    """Apply all annotations that the fields carry to `asset.doc`."""
    doc = asset.doc
    if "tags" in fields:
        doc["tags"] = sorted(set(fields.parts("tags")))
    if "context" in fields:
        merge_context(doc, parse_pairs(fields.text("context")))
    if "metadata" in fields:
        merge_metadata(server.store, doc, parse_pairs(fields.text("metadata")))
    if fields.text("moderation"):
        if fields.text("moderation") != "manual":
            raise bad_request(f"Moderation kind '{fields.text('moderation')[:40]}' is not valid")
        doc["moderation"] = [{"kind": "manual", "status": "pending"}]
    if fields.text("moderation_status"):
        set_moderation(doc, fields.text("moderation_status"))
    if fields.text("face_coordinates"):
        boxes = parse_boxes(fields.text("face_coordinates"))
        doc["faces"] = _clipped(boxes, doc) if clip else boxes
    if fields.text("custom_coordinates"):
        doc["custom_coordinates"] = parse_boxes(fields.text("custom_coordinates"))


def set_moderation(doc: dict[str, Any], status: str) -> None:
    """Decide a manual moderation."""
    if status not in {"approved", "rejected", "pending"}:
        raise bad_request(f"Illegal value {status[:40]} for moderation_status")
    doc["moderation"] = [{"kind": "manual", "status": status}]


def _clipped(boxes: list[list[int]], doc: dict[str, Any]) -> list[list[int]]:
    wide, high = doc.get("width", 0), doc.get("height", 0)
    return [[x, y, min(w, wide), min(h, high)] for x, y, w, h in boxes]


def merge_context(doc: dict[str, Any], pairs: dict[str, str]) -> None:
    """Add custom context to a document; an empty value removes its key."""
    custom = {**doc.get("context", {}).get("custom", {}), **pairs}
    custom = {name: value for name, value in custom.items() if value}
    doc.pop("context", None)
    if custom:
        doc["context"] = {"custom": custom}


def merge_metadata(store: Store, doc: dict[str, Any], values: dict[str, str]) -> None:
    """Add structured metadata to a document; a field nobody defined is refused."""
    known = store.documents("metadata_field")
    merged = dict(doc.get("metadata", {}))
    for name, value in values.items():
        if name not in known:
            raise bad_request(f"Metadata field {name[:80]} doesn't exist")
        merged[name] = _typed(known[name], value)
    doc["metadata"] = merged


def default_metadata(store: Store, doc: dict[str, Any]) -> None:
    """Fill in the defaults of the account's metadata fields."""
    for name, field in store.documents("metadata_field").items():
        if field.get("default_value") is not None:
            doc.setdefault("metadata", {}).setdefault(name, field["default_value"])


def _typed(field: dict[str, Any], value: str) -> Any:
    try:
        if field["type"] == "integer":
            return int(value)
        if field["type"] == "set":
            chosen = json.loads(value) if value.startswith("[") else value.split(",")
            return [str(one) for one in chosen]
    except ValueError as error:
        raise bad_request(f"Value for metadata field {field['external_id']} is invalid") from error
    return value


def measure_focus(server: Server, asset: Asset) -> dict[str, float]:
    """Estimate how sharp an image is, 0 to 1, by the strength of its edges."""
    path = server.files.original(asset.asset_id, asset.version)
    with Image.open(path, formats=[image_kind(read_head(path)) or "PNG"]) as image:
        edges = image.convert("L").filter(ImageFilter.FIND_EDGES)
    return {"focus": round(min(1.0, ImageStat.Stat(edges).stddev[0] / 64), 4)}
