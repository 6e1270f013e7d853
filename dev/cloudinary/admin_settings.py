"""Routes of the Admin API that are about the account: ping, usage, presets, profiles, transformations."""

import json
import secrets
from typing import Any

from flask import Blueprint, request

from dev.cloudinary import metadata_fields
from dev.cloudinary.access import check_basic, check_cloud
from dev.cloudinary.assets import utc
from dev.cloudinary.errors import ApiError, bad_request, not_found
from dev.cloudinary.params import Fields, read_fields
from dev.cloudinary.profiles import find_profile, list_profiles, predefined
from dev.cloudinary.server import Server
from dev.cloudinary.transformation import describe, parse

_PRESET_FIELDS = {"name", "unsigned", "live", "disallow_public_id"}


def blueprint(server: Server) -> Blueprint:
    """Build the account part of the Admin API."""
    routes = Blueprint("admin_settings", __name__, url_prefix="/v1_1/<cloud>")

    @routes.before_request
    def authorize() -> None:
        check_cloud(server.settings, (request.view_args or {})["cloud"])
        check_basic(server.settings, request)

    @routes.get("/ping")
    def ping(cloud: str) -> dict[str, Any]:
        return {"status": "ok"}

    @routes.get("/config")
    def config(cloud: str) -> dict[str, Any]:
        answer: dict[str, Any] = {"cloud_name": cloud, "created_at": utc(0)}
        return answer | (
            {"settings": {"folder_mode": "fixed"}} if read_fields(request).flag("settings") else {}
        )

    @routes.get("/usage")
    @routes.get("/usage/<date>")
    def usage(cloud: str, date: str = "") -> dict[str, Any]:
        return _usage(server)

    _add_profiles(server, routes)
    _add_presets(server, routes)
    _add_transformations(server, routes)
    _add_named(server, routes)
    metadata_fields.add_routes(server, routes)
    return routes


def _usage(server: Server) -> dict[str, Any]:
    assets = server.store.row("SELECT count(*) AS n, coalesce(sum(bytes), 0) AS size FROM assets")
    derived = server.store.row("SELECT count(*) AS n FROM derived WHERE state='done'")
    count, size = (assets["n"], assets["size"]) if assets else (0, 0)
    renditions = derived["n"] if derived else 0
    limits = {
        "image_max_size_bytes": server.settings.max_bytes,
        "video_max_size_bytes": server.settings.max_bytes,
    }
    return {
        "plan": "Local", "last_updated": utc()[:10], "transformations": {"usage": renditions},
        "objects": {"usage": count + renditions}, "bandwidth": {"usage": 0}, "storage": {"usage": size}, "requests": 0,
        "resources": count, "derived_resources": renditions, "media_limits": limits,
    }  # fmt: skip


def _add_profiles(server: Server, routes: Blueprint) -> None:
    store = server.store

    @routes.get("/streaming_profiles")
    def profiles(cloud: str) -> dict[str, Any]:
        shown = ("name", "display_name", "predefined")
        return {"data": [{name: one[name] for name in shown} for one in list_profiles(store)]}

    @routes.post("/streaming_profiles")
    def create_profile(cloud: str) -> dict[str, Any]:
        fields = read_fields(request)
        name = _name(fields, "name")
        if store.document("profile", name) or predefined(name):
            raise ApiError(409, f"Streaming profile {name} already exists")
        return {"message": "created", "data": _keep_profile(server, name, fields, {})}

    @routes.get("/streaming_profiles/<name>")
    def profile(cloud: str, name: str) -> dict[str, Any]:
        return {"data": find_profile(store, name)}

    @routes.put("/streaming_profiles/<name>")
    def update_profile(cloud: str, name: str) -> dict[str, Any]:
        return {
            "message": "updated",
            "data": _keep_profile(server, name, read_fields(request), find_profile(store, name)),
        }

    @routes.delete("/streaming_profiles/<name>")
    def delete_profile(cloud: str, name: str) -> dict[str, Any]:
        shipped = predefined(name)
        if not store.drop_document("profile", name) and shipped is None:
            raise not_found(f"Can't find streaming profile {name}")
        return {"message": "reverted" if shipped else "deleted", "data": shipped or {"name": name}}


def _keep_profile(server: Server, name: str, fields: Fields, old: dict[str, Any]) -> dict[str, Any]:
    representations = old.get("representations", [])
    if fields.text("representations"):
        try:
            given = json.loads(fields.text("representations"))
            representations = [{"transformation": describe(one["transformation"])} for one in given]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise bad_request("Invalid representations") from error
    if not representations or not all(one["transformation"] for one in representations):
        raise bad_request("Missing required parameter - representations")
    shown = fields.text("display_name") or old.get("display_name") or name
    doc = {
        "name": name,
        "display_name": shown,
        "predefined": bool(predefined(name)),
        "representations": representations,
    }
    server.store.keep_document("profile", name, doc)
    return doc


def _add_presets(server: Server, routes: Blueprint) -> None:
    store = server.store

    @routes.get("/upload_presets")
    def presets(cloud: str) -> dict[str, Any]:
        return {"presets": list(store.documents("preset").values())}

    @routes.post("/upload_presets")
    def create_preset(cloud: str) -> dict[str, Any]:
        fields = read_fields(request)
        name = fields.text("name") or secrets.token_hex(8)
        if store.document("preset", name):
            raise ApiError(409, f"Upload preset {name} already exists")
        _keep_preset(server, name, fields, {"settings": {}})
        return {"message": "created", "name": name}

    @routes.get("/upload_presets/<name>")
    def preset(cloud: str, name: str) -> dict[str, Any]:
        return _found(store.document("preset", name), f"Can't find upload preset with name {name}")

    @routes.put("/upload_presets/<name>")
    def update_preset(cloud: str, name: str) -> dict[str, Any]:
        old = _found(store.document("preset", name), f"Can't find upload preset with name {name}")
        _keep_preset(server, name, read_fields(request), old)
        return {"message": "updated"}

    @routes.delete("/upload_presets/<name>")
    def delete_preset(cloud: str, name: str) -> dict[str, Any]:
        if not store.drop_document("preset", name):
            raise not_found(f"Can't find upload preset with name {name}")
        return {"message": "deleted"}


def _keep_preset(server: Server, name: str, fields: Fields, old: dict[str, Any]) -> None:
    settings = {field: value for field, value in fields.items() if field not in _PRESET_FIELDS}
    unsigned = fields.flag("unsigned", default=old.get("unsigned", False))
    doc = {"name": name, "unsigned": unsigned, "settings": {**old["settings"], **settings}}
    server.store.keep_document("preset", name, doc)


def _add_transformations(server: Server, routes: Blueprint) -> None:
    store = server.store

    @routes.get("/transformations")
    def transformations(cloud: str) -> dict[str, Any]:
        wanted = read_fields(request).text("transformation")
        if wanted:
            return _transformation(server, wanted)
        used = [row["transformation"] for row in store.rows("SELECT DISTINCT transformation FROM derived")]
        names = [*(f"t_{name}" for name in store.documents("transformation")), *filter(None, used)]
        return {
            "transformations": [{"name": one, "used": one in used, "named": one[:2] == "t_"} for one in names]
        }

    @routes.post("/transformations")
    def create(cloud: str) -> dict[str, Any]:
        fields = read_fields(request)
        name = _name(fields, "name")
        parse(fields.text("transformation"))
        if store.document("transformation", name):
            raise ApiError(409, f"Transformation {name} already exists")
        store.keep_document("transformation", name, {"transformation": fields.text("transformation")})
        return {"message": "created"}

    @routes.put("/transformations")
    def update(cloud: str) -> dict[str, Any]:
        fields = read_fields(request)
        name = _name(fields, "transformation").removeprefix("t_")
        if fields.text("unsafe_update"):
            _found(store.document("transformation", name), "Can't find transformation")
            parse(fields.text("unsafe_update"))
            store.keep_document("transformation", name, {"transformation": fields.text("unsafe_update")})
        return {"message": "updated"}

    @routes.delete("/transformations")
    def delete(cloud: str) -> dict[str, Any]:
        wanted = _name(read_fields(request), "transformation")
        if not store.drop_document("transformation", wanted.removeprefix("t_")):
            plain = wanted.rpartition("/")[0] if "/" in wanted else wanted
            rows = store.rows(
                "SELECT id, asset_id, version FROM derived WHERE transformation IN (?,?)", wanted, plain
            )
            if not rows:
                raise not_found(f"Can't find transformation {wanted[:100]}")
            for row in rows:
                store.run("DELETE FROM derived WHERE id=?", row["id"])
                server.files.drop_derived(row["asset_id"], row["version"], row["id"])
        return {"message": "deleted"}


def _transformation(server: Server, wanted: str) -> dict[str, Any]:
    named = server.store.document("transformation", wanted.removeprefix("t_"))
    if named:
        return {
            "name": wanted,
            "named": True,
            "used": False,
            "derived": [],
            "info": describe(named["transformation"]),
        }
    if not server.store.row("SELECT 1 FROM derived WHERE transformation=?", wanted):
        raise not_found(f"Can't find transformation {wanted[:100]}")
    return {"name": wanted, "named": False, "used": True, "info": describe(wanted)}


def _add_named(server: Server, routes: Blueprint) -> None:
    store = server.store

    @routes.get("/upload_mappings")
    def mappings(cloud: str) -> dict[str, Any]:
        folder = read_fields(request).text("folder")
        if folder:
            return _found(store.document("mapping", folder), f"Can't find upload mapping {folder}")
        return {"mappings": list(store.documents("mapping").values())}

    @routes.route("/upload_mappings", methods=["POST", "PUT"])
    def keep_mapping(cloud: str) -> dict[str, Any]:
        fields = read_fields(request)
        folder = _name(fields, "folder")
        if request.method == "PUT":
            _found(store.document("mapping", folder), f"Can't find upload mapping {folder}")
        store.keep_document("mapping", folder, {"folder": folder, "template": fields.text("template")})
        return {"message": "created" if request.method == "POST" else "updated", "folder": folder}

    @routes.delete("/upload_mappings")
    def delete_mapping(cloud: str) -> dict[str, Any]:
        if not store.drop_document("mapping", _name(read_fields(request), "folder")):
            raise not_found("Can't find upload mapping")
        return {"message": "deleted"}

    @routes.get("/folders")
    @routes.get("/folders/<path:path>")
    def folders(cloud: str, path: str = "") -> dict[str, Any]:
        rows = store.rows("SELECT public_id FROM assets")
        known = {row["public_id"].rpartition("/")[0] for row in rows} | set(store.documents("folder"))
        prefix = f"{path}/" if path else ""
        names = sorted({one[len(prefix) :].split("/")[0] for one in known if one.startswith(prefix)} - {""})
        if path and path not in known and not names:
            raise not_found(f"Can't find folder with path {path[:100]}")
        shown = [{"name": name, "path": prefix + name} for name in names]
        return {"folders": shown, "total_count": len(shown), "next_cursor": None}

    @routes.post("/folders/<path:path>")
    def create_folder(cloud: str, path: str) -> dict[str, Any]:
        store.keep_document("folder", path, {})
        return {"success": True, "path": path, "name": path.rpartition("/")[2]}

    @routes.delete("/folders/<path:path>")
    def delete_folder(cloud: str, path: str) -> dict[str, Any]:
        if not store.drop_document("folder", path):
            raise not_found(f"Can't find folder with path {path[:100]}")
        return {"deleted": [path]}


def _name(fields: Fields, field: str) -> str:
    name = fields.text(field)
    if not name:
        raise bad_request(f"Missing required parameter - {field}")
    if len(name) > 400:
        raise bad_request(f"Parameter {field} is too long")
    return name


def _found(doc: dict[str, Any] | None, message: str) -> dict[str, Any]:
    if doc is None:
        raise not_found(message)
    return doc
