"""Structured metadata fields of the account: create, read, change, delete, and their datasources."""

import json
import re
import secrets
from typing import Any

from flask import request

from cloudinary_local.errors import ApiError, bad_request, not_found
from cloudinary_local.params import Fields
from cloudinary_local.routing import Route
from cloudinary_local.server import Server

_TYPES = {"string", "integer", "date", "enum", "set"}
_CHANGEABLE = {
    "label", "mandatory", "default_value", "validation", "restrictions", "datasource", "default_disabled",
    "allow_dynamic_list_values",
}  # fmt: skip


def list_fields(server: Server, fields: Fields) -> dict[str, Any]:
    """List the account's metadata fields."""
    return {"metadata_fields": [_shown(one) for one in server.store.documents("metadata_field").values()]}


def create_field(server: Server, fields: Fields) -> dict[str, Any]:
    """Define a metadata field."""
    field = _new_field(_body())
    if server.store.document("metadata_field", field["external_id"]):
        raise ApiError(409, f"external id {field['external_id']} already exists")
    server.store.keep_document("metadata_field", field["external_id"], field)
    return _shown(field)


def show_field(server: Server, fields: Fields, external_id: str) -> dict[str, Any]:
    """Show a metadata field."""
    return _shown(_find(server, external_id))


def update_field(server: Server, fields: Fields, external_id: str) -> dict[str, Any]:
    """Change a metadata field; its type and id stay."""
    field = _find(server, external_id)
    field |= {name: value for name, value in _body().items() if name in _CHANGEABLE - {"datasource"}}
    _check(field)
    server.store.keep_document("metadata_field", external_id, field)
    return _shown(field)


def delete_field(server: Server, fields: Fields, external_id: str) -> dict[str, Any]:
    """Delete a metadata field."""
    if not server.store.drop_document("metadata_field", external_id):
        raise not_found(f"External ID {external_id[:100]} doesn't exist")
    return {"message": "ok"}


def update_datasource(server: Server, fields: Fields, external_id: str) -> dict[str, Any]:
    """Change or add entries of a field's list of values."""
    field = _find(server, external_id)
    values = field.get("datasource", {}).get("values", [])
    for entry in _entries(_body().get("values")):
        known = next((one for one in values if one["external_id"] == entry["external_id"]), None)
        if known is None:
            values.append(entry)
        else:
            known |= {"value": entry["value"]}
    return _keep_values(server, field, values)


def delete_entries(server: Server, fields: Fields, external_id: str) -> dict[str, Any]:
    """Put entries of a field's list of values out of use."""
    return _set_state(server, external_id, "inactive")


def restore_entries(server: Server, fields: Fields, external_id: str) -> dict[str, Any]:
    """Bring entries of a field's list of values back."""
    return _set_state(server, external_id, "active")


def order_entries(server: Server, fields: Fields, external_id: str) -> dict[str, Any]:
    """Sort a field's list of values."""
    field = _find(server, external_id)
    values = field.get("datasource", {}).get("values", [])
    values.sort(key=lambda entry: str(entry["value"]), reverse=fields.text("direction") == "desc")
    return _keep_values(server, field, values)


def _set_state(server: Server, external_id: str, state: str) -> dict[str, Any]:
    field = _find(server, external_id)
    wanted = _body().get("external_ids") or []
    values = field.get("datasource", {}).get("values", [])
    for entry in values:
        if entry["external_id"] in wanted:
            entry["state"] = state
    return _keep_values(server, field, values)


def _keep_values(server: Server, field: dict[str, Any], values: list[dict[str, Any]]) -> dict[str, Any]:
    field["datasource"] = {"values": values}
    server.store.keep_document("metadata_field", field["external_id"], field)
    shown: dict[str, Any] = _shown(field)["datasource"]
    return shown


def _shown(field: dict[str, Any]) -> dict[str, Any]:
    if "datasource" not in field:
        return field
    active = [entry for entry in field["datasource"]["values"] if entry["state"] == "active"]
    values = [{"external_id": entry["external_id"], "value": entry["value"]} for entry in active]
    return {**field, "datasource": {"values": values}}


def _body() -> dict[str, Any]:
    try:
        body = json.loads(request.get_data() or b"{}")
    except (ValueError, RecursionError) as error:
        raise bad_request("Malformed JSON body") from error
    if not isinstance(body, dict):
        raise bad_request("JSON body must be an object")
    return {name: value for name, value in body.items() if value is not None}


def _find(server: Server, external_id: str) -> dict[str, Any]:
    field = server.store.document("metadata_field", external_id)
    if field is None:
        raise not_found(f"External ID {external_id[:100]} doesn't exist")
    return field


def _new_field(body: dict[str, Any]) -> dict[str, Any]:
    external_id = body.get("external_id") or secrets.token_hex(10)
    if not isinstance(external_id, str) or not re.fullmatch(r"[A-Za-z0-9_\-]{1,255}", external_id):
        raise bad_request("external_id is invalid")
    field = {"external_id": external_id, "type": body.get("type"), "mandatory": False, "default_value": None,
             "validation": None, "restrictions": None}  # fmt: skip
    field |= {name: value for name, value in body.items() if name in _CHANGEABLE}
    if field["type"] not in _TYPES:
        raise bad_request("type is invalid")
    if field["type"] in {"enum", "set"}:
        source = field.get("datasource")
        field["datasource"] = {"values": _entries(source.get("values") if isinstance(source, dict) else None)}
    _check(field)
    return field


def _entries(values: Any) -> list[dict[str, Any]]:
    if not isinstance(values, list) or not all(isinstance(one, dict) and one.get("value") for one in values):
        raise bad_request("datasource is invalid")
    return [
        {
            "external_id": str(one.get("external_id") or secrets.token_hex(10)),
            "value": str(one["value"]),
            "state": "active",
        }
        for one in values
    ]


def _check(field: dict[str, Any]) -> None:
    if not isinstance(field.get("label"), str) or not field["label"]:
        raise bad_request("label is invalid")
    validation, default = field.get("validation"), field.get("default_value")
    if isinstance(validation, dict) and default is not None and not _fits(validation, default):
        raise bad_request("default_value is invalid")


def _fits(rule: dict[str, Any], value: Any) -> bool:
    kind, bound = rule.get("type"), rule.get("value")
    if kind == "and":
        rules = rule.get("rules")
        return isinstance(rules, list) and all(isinstance(one, dict) and _fits(one, value) for one in rules)
    try:
        if kind == "greater_than":
            return bool(value > bound or (rule.get("equals") and value == bound))
        if kind == "less_than":
            return bool(value < bound or (rule.get("equals") and value == bound))
    except TypeError:
        return False
    return True


_ONE = "/metadata_fields/<external_id>"
ROUTES: list[Route] = [
    ("GET", "/metadata_fields", list_fields),
    ("POST", "/metadata_fields", create_field),
    ("GET", _ONE, show_field),
    ("PUT", _ONE, update_field),
    ("DELETE", _ONE, delete_field),
    ("PUT", f"{_ONE}/datasource", update_datasource),
    ("DELETE", f"{_ONE}/datasource", delete_entries),
    ("POST", f"{_ONE}/datasource_restore", restore_entries),
    ("POST", f"{_ONE}/datasource/order", order_entries),
]
