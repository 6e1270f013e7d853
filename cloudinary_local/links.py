"""Delivery URLs and the JSON of an asset, in the protocol's shape."""

import re
from typing import Any

from cloudinary_local.assets import Asset
from cloudinary_local.derived import Derived
from cloudinary_local.settings import Settings
from cloudinary_local.signing import sign_delivery

_UNSAFE_ID = re.compile(r"[^a-zA-Z0-9_.\-/:]+")
_UNSAFE_STEP = re.compile(r"[^a-zA-Z0-9_.\-/:,|%$!()*~;]+")
_SHOWN = (
    "width",
    "height",
    "format",
    "resource_type",
    "created_at",
    "tags",
    "pages",
    "bytes",
    "type",
    "etag",
)
_VIDEO_FACTS = (
    "duration", "bit_rate", "frame_rate", "nb_frames", "rotation", "is_audio", "audio", "video",
)  # fmt: skip
_EXTRAS = ("context", "metadata", "moderation", "original_filename", "faces", "responsive_breakpoints")


def _escape(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def delivery_url(
    settings: Settings, base: str, asset: Asset, transformation: str = "", extension: str | None = None
) -> str:
    """Build the URL of an asset or of something derived from it, signed if the asset is guarded."""
    steps = _escape(_UNSAFE_STEP, transformation)
    source = _escape(_UNSAFE_ID, asset.public_id)
    extension = asset.format if extension is None else extension
    if extension and not (asset.resource_type == "raw" and not transformation):
        source += f".{extension}"
    parts = [base.rstrip("/"), settings.cloud, asset.resource_type, asset.type]
    if asset.is_guarded:
        signed = "/".join(filter(None, (steps, source)))
        parts.append(f"s--{sign_delivery(signed, settings.secret)}--")
    return "/".join([*parts, *filter(None, [steps]), f"v{asset.version}", source])


def show_asset(settings: Settings, base: str, asset: Asset) -> dict[str, Any]:
    """Describe an asset as the Upload API does."""
    url = delivery_url(settings, base, asset)
    everything = {**asset.doc, **vars(asset)}
    shown: dict[str, Any] = {
        "asset_id": asset.asset_id,
        "public_id": asset.public_id,
        "version": asset.version,
        "version_id": f"{asset.etag[:24]}{asset.version & 0xFFFFFFFF:08x}",
    }
    shown |= {name: everything[name] for name in _SHOWN if everything.get(name) is not None}
    if asset.resource_type == "raw":
        shown.pop("format", None)
    shown |= {"placeholder": False, "url": url, "secure_url": url}
    folder = asset.public_id.rpartition("/")[0]
    shown |= {"asset_folder": folder, "display_name": asset.public_id.rpartition("/")[2]}
    if asset.resource_type == "video":
        shown["playback_url"] = delivery_url(settings, base, asset, "sp_auto", "m3u8")
        shown |= {name: asset.doc[name] for name in _VIDEO_FACTS if name in asset.doc}
    shown |= {name: asset.doc[name] for name in _EXTRAS if asset.doc.get(name)}
    return shown


def show_derived(settings: Settings, base: str, asset: Asset, one: Derived) -> dict[str, Any]:
    """Describe one finished or failed derived resource as an `eager` entry."""
    url = delivery_url(settings, base, asset, one.transformation, one.format)
    if one.state == "queued":
        return {"status": "processing", "transformation": one.transformation, "url": url, "secure_url": url}
    if one.state == "failed":
        reason = one.doc.get("error", "Processing failed")
        return {
            "status": "failed",
            "transformation": one.transformation,
            "reason": reason,
            "url": url,
            "secure_url": url,
        }
    shown = {"transformation": one.transformation, "format": one.format, "url": url, "secure_url": url}
    return shown | {name: one.doc[name] for name in ("width", "height", "bytes") if name in one.doc}
