"""Admin calls about named settings: streaming profiles, upload presets, named transformations."""

import json
import secrets
from typing import Any

from cloudinary_local.errors import ApiError, bad_request, not_found
from cloudinary_local.params import Fields
from cloudinary_local.profiles import bits, find_profile, list_profiles, predefined
from cloudinary_local.routing import Route
from cloudinary_local.server import Server
from cloudinary_local.transformation import describe, parse

_PRESET_FIELDS = {"name", "unsigned", "live", "disallow_public_id"}


def need_name(fields: Fields, field: str) -> str:
    """Return a name that must be given; 400 otherwise."""
    name = fields.text(field)
    if not name or len(name) > 400:
        raise bad_request(f"Missing required parameter - {field}" if not name else f"{field} is too long")
    return name


def need(server: Server, kind: str, name: str) -> dict[str, Any]:
    """Return a named setting; 404 if there is none."""
    doc = server.store.document(kind, name)
    if doc is None:
        raise not_found(f"Can't find {kind} with name {name[:100]}")
    return doc


def _refuse_taken(server: Server, kind: str, name: str) -> None:
    if server.store.document(kind, name):
        raise ApiError(409, f"{kind.capitalize()} {name[:100]} already exists")


def profiles(server: Server, fields: Fields) -> dict[str, Any]:
    """List streaming profiles."""
    shown = ("name", "display_name", "predefined")
    return {"data": [{name: one[name] for name in shown} for one in list_profiles(server.store)]}


def show_profile(server: Server, fields: Fields, name: str) -> dict[str, Any]:
    """Show a streaming profile."""
    return {"data": find_profile(server.store, name)}


def create_profile(server: Server, fields: Fields) -> dict[str, Any]:
    """Create a streaming profile."""
    name = need_name(fields, "name")
    _refuse_taken(server, "profile", name)
    if predefined(name):
        raise ApiError(409, f"Streaming profile {name} already exists")
    return {"message": "created", "data": _keep_profile(server, name, fields, {})}


def update_profile(server: Server, fields: Fields, name: str) -> dict[str, Any]:
    """Change a streaming profile; a predefined one is overridden."""
    return {
        "message": "updated",
        "data": _keep_profile(server, name, fields, find_profile(server.store, name)),
    }


def delete_profile(server: Server, fields: Fields, name: str) -> dict[str, Any]:
    """Delete a streaming profile; a predefined one is reverted."""
    shipped = predefined(name)
    if not server.store.drop_document("profile", name) and shipped is None:
        raise not_found(f"Can't find streaming profile {name[:100]}")
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
    for one in representations:
        bits(str(one["transformation"][0].get("bit_rate", "1m")))
    doc = {
        "name": name,
        "display_name": fields.text("display_name") or old.get("display_name") or name,
        "predefined": bool(predefined(name)),
        "representations": representations,
    }
    server.store.keep_document("profile", name, doc)
    return doc


def presets(server: Server, fields: Fields) -> dict[str, Any]:
    """List upload presets."""
    return {"presets": list(server.store.documents("preset").values())}


def show_preset(server: Server, fields: Fields, name: str) -> dict[str, Any]:
    """Show an upload preset."""
    return need(server, "preset", name)


def create_preset(server: Server, fields: Fields) -> dict[str, Any]:
    """Create an upload preset."""
    name = fields.text("name")[:400] or secrets.token_hex(8)
    _refuse_taken(server, "preset", name)
    _keep_preset(server, name, fields, {"settings": {}})
    return {"message": "created", "name": name}


def update_preset(server: Server, fields: Fields, name: str) -> dict[str, Any]:
    """Change an upload preset."""
    _keep_preset(server, name, fields, need(server, "preset", name))
    return {"message": "updated"}


def delete_preset(server: Server, fields: Fields, name: str) -> dict[str, Any]:
    """Delete an upload preset."""
    if not server.store.drop_document("preset", name):
        raise not_found(f"Can't find upload preset with name {name[:100]}")
    return {"message": "deleted"}


def _keep_preset(server: Server, name: str, fields: Fields, old: dict[str, Any]) -> None:
    settings = {field: value for field, value in fields.items() if field not in _PRESET_FIELDS}
    unsigned = fields.flag("unsigned", default=old.get("unsigned", False))
    doc = {"name": name, "unsigned": unsigned, "settings": {**old["settings"], **settings}}
    server.store.keep_document("preset", name, doc)


def transformations(server: Server, fields: Fields) -> dict[str, Any]:
    """List transformations, named and used, or show one."""
    wanted = fields.text("transformation")
    if wanted:
        return _transformation(server, wanted)
    rows = server.store.rows("SELECT DISTINCT transformation FROM derived WHERE transformation<>''")
    used = [{"name": row["transformation"], "used": True, "named": False} for row in rows]
    named = [
        {"name": f"t_{one}", "used": False, "named": True} for one in server.store.documents("transformation")
    ]
    return {"transformations": [*named, *used]}


def _transformation(server: Server, wanted: str) -> dict[str, Any]:
    named = server.store.document("transformation", wanted.removeprefix("t_"))
    if named:
        return {"name": wanted, "named": True, "used": False, "info": describe(named["transformation"])}
    if not server.store.row("SELECT 1 FROM derived WHERE transformation=?", wanted):
        raise not_found(f"Can't find transformation {wanted[:100]}")
    return {"name": wanted, "named": False, "used": True, "info": describe(wanted)}


def create_transformation(server: Server, fields: Fields) -> dict[str, Any]:
    """Name a transformation."""
    name, text = need_name(fields, "name"), need_name(fields, "transformation")
    parse(text)
    _refuse_taken(server, "transformation", name)
    server.store.keep_document("transformation", name, {"transformation": text})
    return {"message": "created"}


def update_transformation(server: Server, fields: Fields) -> dict[str, Any]:
    """Change what a named transformation stands for."""
    name = need_name(fields, "transformation").removeprefix("t_")
    text = fields.text("unsafe_update")
    if text:
        need(server, "transformation", name)
        parse(text)
        server.store.keep_document("transformation", name, {"transformation": text})
    return {"message": "updated"}


def delete_transformation(server: Server, fields: Fields) -> dict[str, Any]:
    """Delete a named transformation, or all that was derived with a plain one."""
    wanted = need_name(fields, "transformation")
    if server.store.drop_document("transformation", wanted.removeprefix("t_")):
        return {"message": "deleted"}
    plain = wanted.rpartition("/")[0] or wanted
    sql = "SELECT id, asset_id, version FROM derived WHERE transformation IN (?,?)"
    rows = server.store.rows(sql, wanted, plain)
    if not rows:
        raise not_found(f"Can't find transformation {wanted[:100]}")
    for row in rows:
        server.store.run("DELETE FROM derived WHERE id=?", row["id"])
        server.files.drop_derived(row["asset_id"], row["version"], row["id"])
    return {"message": "deleted"}


ROUTES: list[Route] = [
    ("GET", "/streaming_profiles", profiles),
    ("POST", "/streaming_profiles", create_profile),
    ("GET", "/streaming_profiles/<name>", show_profile),
    ("PUT", "/streaming_profiles/<name>", update_profile),
    ("DELETE", "/streaming_profiles/<name>", delete_profile),
    ("GET", "/upload_presets", presets),
    ("POST", "/upload_presets", create_preset),
    ("GET", "/upload_presets/<name>", show_preset),
    ("PUT", "/upload_presets/<name>", update_preset),
    ("DELETE", "/upload_presets/<name>", delete_preset),
    ("GET", "/transformations", transformations),
    ("POST", "/transformations", create_transformation),
    ("PUT", "/transformations", update_transformation),
    ("DELETE", "/transformations", delete_transformation),
]
