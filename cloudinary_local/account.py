"""Admin calls about the account itself: ping, config, usage, folders, upload mappings."""

from typing import Any

from cloudinary_local.assets import utc
from cloudinary_local.errors import not_found
from cloudinary_local.named_settings import need, need_name
from cloudinary_local.params import Fields
from cloudinary_local.routing import Route
from cloudinary_local.server import Server


def ping(server: Server, fields: Fields) -> dict[str, Any]:
    """Answer that the API is up."""
    return {"status": "ok"}


def show_config(server: Server, fields: Fields) -> dict[str, Any]:
    """Show the account's name, and its settings if asked."""
    answer: dict[str, Any] = {"cloud_name": server.settings.cloud, "created_at": utc(0)}
    return answer | ({"settings": {"folder_mode": "fixed"}} if fields.flag("settings") else {})


def show_usage(server: Server, fields: Fields, date: str = "") -> dict[str, Any]:
    """Show what is stored; past days are not kept, so every date gives today."""
    assets = server.store.row("SELECT count(*) AS n, coalesce(sum(bytes), 0) AS size FROM assets")
    derived = server.store.row("SELECT count(*) AS n FROM derived WHERE state='done'")
    count, size = (assets["n"], assets["size"]) if assets else (0, 0)
    renditions = derived["n"] if derived else 0
    limits = dict.fromkeys(("image_max_size_bytes", "video_max_size_bytes"), server.settings.max_bytes)
    return {
        "plan": "Local", "last_updated": utc()[:10], "transformations": {"usage": renditions},
        "objects": {"usage": count + renditions}, "bandwidth": {"usage": 0}, "storage": {"usage": size},
        "requests": 0, "resources": count, "derived_resources": renditions, "media_limits": limits,
    }  # fmt: skip


def list_mappings(server: Server, fields: Fields) -> dict[str, Any]:
    """List upload mappings, or show one."""
    folder = fields.text("folder")
    if folder:
        return need(server, "mapping", folder)
    return {"mappings": list(server.store.documents("mapping").values())}


def keep_mapping(server: Server, fields: Fields) -> dict[str, Any]:
    """Create or change an upload mapping."""
    folder = need_name(fields, "folder")
    server.store.keep_document("mapping", folder, {"folder": folder, "template": fields.text("template")})
    return {"message": "created", "folder": folder}


def delete_mapping(server: Server, fields: Fields) -> dict[str, Any]:
    """Delete an upload mapping."""
    if not server.store.drop_document("mapping", need_name(fields, "folder")):
        raise not_found("Can't find upload mapping")
    return {"message": "deleted"}


def list_folders(server: Server, fields: Fields, path: str = "") -> dict[str, Any]:
    """List the folders below a path: made ones, and those that public ids imply."""
    rows = server.store.rows("SELECT public_id FROM assets")
    known = {row["public_id"].rpartition("/")[0] for row in rows} | set(server.store.documents("folder"))
    prefix = f"{path}/" if path else ""
    names = sorted({one[len(prefix) :].split("/")[0] for one in known if one.startswith(prefix)} - {""})
    if path and path not in known and not names:
        raise not_found(f"Can't find folder with path {path[:100]}")
    shown = [{"name": name, "path": prefix + name} for name in names]
    return {"folders": shown, "total_count": len(shown), "next_cursor": None}


def create_folder(server: Server, fields: Fields, path: str) -> dict[str, Any]:
    """Make an empty folder."""
    server.store.keep_document("folder", path, {})
    return {"success": True, "path": path, "name": path.rpartition("/")[2]}


def delete_folder(server: Server, fields: Fields, path: str) -> dict[str, Any]:
    """Delete a folder that was made."""
    if not server.store.drop_document("folder", path):
        raise not_found(f"Can't find folder with path {path[:100]}")
    return {"deleted": [path]}


ROUTES: list[Route] = [
    ("GET", "/ping", ping),
    ("GET", "/config", show_config),
    ("GET", "/usage", show_usage),
    ("GET", "/usage/<date>", show_usage),
    ("GET", "/upload_mappings", list_mappings),
    ("POST PUT", "/upload_mappings", keep_mapping),
    ("DELETE", "/upload_mappings", delete_mapping),
    ("GET", "/folders", list_folders),
    ("GET", "/folders/<path:path>", list_folders),
    ("POST", "/folders/<path:path>", create_folder),
    ("DELETE", "/folders/<path:path>", delete_folder),
]
