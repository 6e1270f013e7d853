"""Routes of the Admin API that read, change and delete assets."""

from typing import Any

from flask import Blueprint, g

from cloudinary_local.annotate import annotate, measure_focus, refuse_addons
from cloudinary_local.assets import RESOURCE_TYPES, TYPES, Asset, find_asset, find_by_id, update_doc
from cloudinary_local.derived import derived_of
from cloudinary_local.errors import bad_request, not_found
from cloudinary_local.ingest import remove
from cloudinary_local.links import delivery_url, show_asset
from cloudinary_local.listing import Query
from cloudinary_local.params import Fields
from cloudinary_local.routing import Route, admin_blueprint
from cloudinary_local.server import Server
from cloudinary_local.transformation import parse_eager

_BULK = 1000


def list_resource_types(server: Server, fields: Fields) -> dict[str, Any]:
    """List the kinds of assets."""
    return {"resource_types": list(RESOURCE_TYPES)}


def list_resources(server: Server, fields: Fields, resource_type: str, kind: str = "") -> dict[str, Any]:
    """List assets of a kind, narrowed by prefix or ids."""
    return _list(server, fields, _selection(fields, resource_type, kind))


def list_by_tag(server: Server, fields: Fields, resource_type: str, tag: str) -> dict[str, Any]:
    """List assets that carry a tag."""
    return _list(server, fields, _selection(Fields(), resource_type).tag(tag))


def list_by_context(server: Server, fields: Fields, resource_type: str) -> dict[str, Any]:
    """List assets by a context key and perhaps its value."""
    query = _selection(Fields(), resource_type).context(fields.text("key"), fields.text("value"))
    return _list(server, fields, query)


def list_by_moderation(
    server: Server, fields: Fields, resource_type: str, moderation: str, status: str
) -> dict[str, Any]:
    """List assets by the state of their moderation."""
    return _list(server, fields, _selection(Fields(), resource_type).moderation(moderation, status))


def list_by_asset_ids(server: Server, fields: Fields) -> dict[str, Any]:
    """List assets by their ids."""
    return _list(server, fields, Query().one_of("asset_id", fields.ids("asset_ids")))


def show_by_asset_id(server: Server, fields: Fields, asset_id: str) -> dict[str, Any]:
    """Show one asset, found by its id."""
    return _details(server, find_by_id(server.store, asset_id), fields)


def show_resource(
    server: Server, fields: Fields, resource_type: str, kind: str, public_id: str
) -> dict[str, Any]:
    """Show one asset, found by its public id."""
    return _details(server, find_asset(server.store, resource_type, kind, public_id), fields)


def update_resource(
    server: Server, fields: Fields, resource_type: str, kind: str, public_id: str
) -> dict[str, Any]:
    """Change an asset's annotations."""
    asset = find_asset(server.store, resource_type, kind, public_id)
    if asset is None:
        raise not_found("Resource not found")
    refuse_addons(fields, admin=True)
    annotate(server, asset, fields)
    if not update_doc(server.store, asset):
        raise not_found("Resource not found")
    return _details(server, asset, fields)


def delete_resources(
    server: Server, fields: Fields, resource_type: str = "", kind: str = "", tag: str = ""
) -> dict[str, Any]:
    """Delete many assets, or only what was derived from them."""
    query = _selection(fields, resource_type, kind)
    if tag:
        query.tag(tag)
    elif kind and not (fields.flag("all") or fields.text("prefix") or fields.ids("public_ids")):
        raise bad_request("Missing required parameter - public_ids, prefix or all")
    elif not kind and not fields.ids("asset_ids"):
        raise bad_request("Missing required parameter - asset_ids")
    return _delete(server, fields, query)


def delete_derived(server: Server, fields: Fields) -> dict[str, Any]:
    """Delete derived resources by their ids."""
    wanted = fields.ids("derived_resource_ids")
    return {"deleted": {one: "deleted" if _drop_derived(server, one) else "not_found" for one in wanted}}


def list_tags(server: Server, fields: Fields, resource_type: str) -> dict[str, Any]:
    """List the tags in use, by prefix."""
    rows = server.store.rows(
        "SELECT DISTINCT value FROM assets, json_each(doc, '$.tags') WHERE resource_type=?"
        " AND substr(value, 1, ?)=? ORDER BY value LIMIT ?",
        resource_type, len(fields.text("prefix")), fields.text("prefix"),
        fields.number("max_results", 10, 1, 500),
    )  # fmt: skip
    return {"tags": [row["value"] for row in rows]}


def blueprint(server: Server) -> Blueprint:
    """Build the asset part of the Admin API."""
    return admin_blueprint(server, "admin", _ROUTES)


def _selection(fields: Fields, resource_type: str, kind: str = "") -> Query:
    query = Query()
    if resource_type:
        query.where("resource_type=?", resource_type)
    if kind:
        query.where("type=?", kind)
    if fields.text("prefix"):
        query.prefix(fields.text("prefix"))
    for column in ("public_id", "asset_id"):
        if f"{column}s" in fields:
            query.one_of(column, fields.ids(f"{column}s"))
    return query


def _list(server: Server, fields: Fields, query: Query) -> dict[str, Any]:
    assets, cursor = query.page(server.store, fields)
    answer: dict[str, Any] = {"resources": [_summary(server, one, fields) for one in assets]}
    return answer | ({"next_cursor": cursor} if cursor else {})


def _summary(server: Server, asset: Asset, fields: Fields) -> dict[str, Any]:
    shown = show_asset(server.settings, g.base_url, asset)
    for name in ("tags", "context", "metadata", "moderation"):
        if not fields.flag(name):
            shown.pop(name, None)
    if fields.flag("metadata"):
        shown.setdefault("metadata", {})
    if fields.flag("tags"):
        shown.setdefault("tags", [])
    chosen = {"asset_id", "public_id", *fields.parts("fields")}
    return (
        {name: value for name, value in shown.items() if name in chosen} if fields.parts("fields") else shown
    )


def _details(server: Server, asset: Asset | None, fields: Fields) -> dict[str, Any]:
    if asset is None:
        raise not_found("Resource not found")
    shown = show_asset(server.settings, g.base_url, asset)
    if not shown.get("tags"):
        shown.pop("tags", None)
    if fields.flag("quality_analysis") and asset.resource_type == "image":
        shown["quality_analysis"] = measure_focus(server, asset)
    if fields.flag("coordinates"):
        names = {"faces": "faces", "custom": "custom_coordinates"}
        shown["coordinates"] = {name: asset.doc[key] for name, key in names.items() if key in asset.doc}
    shown["derived"] = [
        {
            "id": one.id, "transformation": one.transformation, "format": one.format,
            "bytes": one.doc.get("bytes", 0),
            "url": (url := delivery_url(server.settings, g.base_url, asset, one.transformation, one.format)),
            "secure_url": url,
        }
        for one in derived_of(server.store, asset.asset_id)
    ]  # fmt: skip
    return shown


def _delete(server: Server, fields: Fields, query: Query) -> dict[str, Any]:
    narrowed = Fields(direction="asc", next_cursor=fields.text("next_cursor"))
    assets, cursor = query.page(server.store, narrowed, _BULK)
    missing = set(fields.ids("public_ids")) | set(fields.ids("asset_ids"))
    by_asset_id = bool(fields.ids("asset_ids"))
    deleted, counts = {}, {}
    chosen = {one.transformation for one in parse_eager(fields.text("transformations"))}
    for asset in assets:
        name = asset.asset_id if by_asset_id else asset.public_id
        rows = derived_of(server.store, asset.asset_id)
        if chosen or fields.flag("keep_original"):
            rows = [one for one in rows if not chosen or one.transformation in chosen]
            for row in rows:
                _drop_derived(server, row.id)
        else:
            remove(server, asset)
        counts[name] = {"original": 0 if chosen or fields.flag("keep_original") else 1, "derived": len(rows)}
        deleted[name] = "deleted"
        missing.discard(name)
    deleted |= dict.fromkeys(sorted(missing), "not_found")
    answer: dict[str, Any] = {"deleted": deleted, "deleted_counts": counts, "partial": bool(cursor)}
    return answer | ({"next_cursor": cursor} if cursor else {})


def _drop_derived(server: Server, derived_id: str) -> bool:
    row = server.store.row("SELECT asset_id, version FROM derived WHERE id=? AND state='done'", derived_id)
    if row is None:
        return False
    server.store.run("DELETE FROM derived WHERE id=?", derived_id)
    server.files.drop_derived(row["asset_id"], row["version"], derived_id)
    return True


_KIND = f"/resources/<any({', '.join(RESOURCE_TYPES)}):resource_type>"
_TYPE = f"{_KIND}/<any({', '.join(TYPES)}):kind>"
_ROUTES: list[Route] = [
    ("GET", "/resources", list_resource_types),
    ("GET", _KIND, list_resources),
    ("GET", _TYPE, list_resources),
    ("GET", f"{_KIND}/tags/<path:tag>", list_by_tag),
    ("GET", f"{_KIND}/context", list_by_context),
    ("GET", f"{_KIND}/moderations/<moderation>/<status>", list_by_moderation),
    ("GET", "/resources/by_asset_ids", list_by_asset_ids),
    ("GET", "/resources/<asset_id>", show_by_asset_id),
    ("GET", f"{_TYPE}/<path:public_id>", show_resource),
    ("POST", f"{_TYPE}/<path:public_id>", update_resource),
    ("DELETE", "/resources", delete_resources),
    ("DELETE", _TYPE, delete_resources),
    ("DELETE", f"{_KIND}/tags/<path:tag>", delete_resources),
    ("DELETE", "/derived_resources", delete_derived),
    ("GET", f"/tags/<any({', '.join(RESOURCE_TYPES)}):resource_type>", list_tags),
]
