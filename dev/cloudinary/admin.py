"""Routes of the Admin API that read, change and delete assets."""

from typing import Any

from flask import Blueprint, g, request

from dev.cloudinary.access import check_basic, check_cloud
from dev.cloudinary.annotate import annotate, measure_focus, refuse_addons
from dev.cloudinary.assets import RESOURCE_TYPES, TYPES, Asset, find_asset, find_by_id, update_doc
from dev.cloudinary.derived import derived_of
from dev.cloudinary.errors import bad_request, not_found
from dev.cloudinary.ingest import remove
from dev.cloudinary.links import delivery_url, show_asset
from dev.cloudinary.listing import Query
from dev.cloudinary.params import Fields, read_fields
from dev.cloudinary.server import Server
from dev.cloudinary.transformation import parse_eager

_BULK = 1000


def blueprint(server: Server) -> Blueprint:
    """Build the asset part of the Admin API."""
    routes = Blueprint("admin", __name__, url_prefix="/v1_1/<cloud>")
    kinds = f"<any({', '.join(RESOURCE_TYPES)}):resource_type>"

    @routes.before_request
    def authorize() -> None:
        check_cloud(server.settings, (request.view_args or {})["cloud"])
        check_basic(server.settings, request)

    @routes.get("/resources")
    def resource_types(cloud: str) -> dict[str, Any]:
        return {"resource_types": list(RESOURCE_TYPES)}

    @routes.get(f"/resources/{kinds}")
    @routes.get(f"/resources/{kinds}/<any({', '.join(TYPES)}):kind>")
    def resources(cloud: str, resource_type: str, kind: str = "") -> dict[str, Any]:
        fields = read_fields(request)
        return _list(server, fields, _selection(fields, resource_type, kind))

    @routes.get(f"/resources/{kinds}/tags/<path:tag>")
    def by_tag(cloud: str, resource_type: str, tag: str) -> dict[str, Any]:
        return _list(server, read_fields(request), Query().where("resource_type=?", resource_type).tag(tag))

    @routes.get(f"/resources/{kinds}/context")
    def by_context(cloud: str, resource_type: str) -> dict[str, Any]:
        fields = read_fields(request)
        query = Query().where("resource_type=?", resource_type)
        return _list(server, fields, query.context(fields.text("key"), fields.text("value")))

    @routes.get(f"/resources/{kinds}/moderations/<moderation>/<status>")
    def by_moderation(cloud: str, resource_type: str, moderation: str, status: str) -> dict[str, Any]:
        query = Query().where("resource_type=?", resource_type).moderation(moderation, status)
        return _list(server, read_fields(request), query)

    @routes.get("/resources/by_asset_ids")
    def by_asset_ids(cloud: str) -> dict[str, Any]:
        fields = read_fields(request)
        return _list(server, fields, Query().one_of("asset_id", fields.ids("asset_ids")))

    @routes.get("/resources/<asset_id>")
    def resource_by_asset_id(cloud: str, asset_id: str) -> dict[str, Any]:
        return _details(server, find_by_id(server.store, asset_id), read_fields(request))

    @routes.get(f"/resources/{kinds}/<any({', '.join(TYPES)}):kind>/<path:public_id>")
    def resource(cloud: str, resource_type: str, kind: str, public_id: str) -> dict[str, Any]:
        return _details(
            server, find_asset(server.store, resource_type, kind, public_id), read_fields(request)
        )

    @routes.post(f"/resources/{kinds}/<any({', '.join(TYPES)}):kind>/<path:public_id>")
    def update(cloud: str, resource_type: str, kind: str, public_id: str) -> dict[str, Any]:
        return _update(server, find_asset(server.store, resource_type, kind, public_id), read_fields(request))

    @routes.delete("/resources")
    @routes.delete(f"/resources/{kinds}/<any({', '.join(TYPES)}):kind>")
    @routes.delete(f"/resources/{kinds}/tags/<path:tag>")
    def delete(cloud: str, resource_type: str = "", kind: str = "", tag: str = "") -> dict[str, Any]:
        fields = read_fields(request)
        query = _selection(fields, resource_type, kind)
        if tag:
            query.tag(tag)
        elif not (kind or fields.ids("asset_ids")):
            raise bad_request("Missing required parameter - asset_ids")
        return _delete(server, fields, query)

    @routes.delete("/derived_resources")
    def delete_derived(cloud: str) -> dict[str, Any]:
        wanted = read_fields(request).ids("derived_resource_ids")
        return {"deleted": {one: "deleted" if _drop_derived(server, one) else "not_found" for one in wanted}}

    @routes.get(f"/tags/{kinds}")
    def tags(cloud: str, resource_type: str) -> dict[str, Any]:
        fields = read_fields(request)
        rows = server.store.rows(
            "SELECT DISTINCT value FROM assets, json_each(doc, '$.tags') WHERE resource_type=?"
            " AND substr(value, 1, ?)=? ORDER BY value LIMIT ?",
            resource_type, len(fields.text("prefix")), fields.text("prefix"),
            fields.number("max_results", 10, 1, 500),
        )  # fmt: skip
        return {"tags": [row["value"] for row in rows]}

    return routes


def _selection(fields: Fields, resource_type: str, kind: str) -> Query:
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
    chosen = {"asset_id", "public_id", *fields.list("fields")}
    return (
        {name: value for name, value in shown.items() if name in chosen} if fields.list("fields") else shown
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
            "id": one.id, "transformation": one.transformation, "format": one.format, "bytes": one.doc.get("bytes", 0),
            "url": (url := delivery_url(server.settings, g.base_url, asset, one.transformation, one.format)),
            "secure_url": url,
        }
        for one in derived_of(server.store, asset.asset_id)
    ]  # fmt: skip
    return shown


def _update(server: Server, asset: Asset | None, fields: Fields) -> dict[str, Any]:
    if asset is None:
        raise not_found("Resource not found")
    refuse_addons(fields, admin=True)
    annotate(server, asset, fields)
    if not update_doc(server.store, asset):
        raise not_found("Resource not found")
    return _details(server, asset, fields)


def _delete(server: Server, fields: Fields, query: Query) -> dict[str, Any]:
    narrowed = Fields(direction="asc", next_cursor=fields.text("next_cursor"))
    assets, cursor = query.page(server.store, narrowed, _BULK)
    missing = set(fields.ids("public_ids")) | set(fields.ids("asset_ids"))
    by_asset_id = bool(fields.ids("asset_ids"))
    deleted, counts = {}, {}
    wanted = parse_eager(fields.text("transformations"))
    for asset in assets:
        name = asset.asset_id if by_asset_id else asset.public_id
        rows = derived_of(server.store, asset.asset_id)
        if wanted or fields.flag("keep_original"):
            rows = [
                one
                for one in rows
                if not wanted or one.transformation in {each.transformation for each in wanted}
            ]
            for row in rows:
                _drop_derived(server, row.id)
        else:
            remove(server, asset)
        counts[name] = {"original": 0 if wanted or fields.flag("keep_original") else 1, "derived": len(rows)}
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
