"""Structured metadata fields of the account: create, read, change, delete, and their datasources."""

import json
import re
import secrets
from typing import Any

from flask import Blueprint, request

from dev.cloudinary.errors import ApiError, bad_request, not_found
from dev.cloudinary.server import Server

_TYPES = {"string", "integer", "date", "enum", "set"}
_CHANGEABLE = {
    "label", "mandatory", "default_value", "validation", "restrictions", "datasource", "allow_dynamic_list_values",
    "default_disabled",
}  # fmt: skip


def add_routes(server: Server, routes: Blueprint) -> None:
    """Add the metadata routes to the account part of the Admin API."""
    store = server.store

    @routes.get("/metadata_fields")
    def metadata_fields(cloud: str) -> dict[str, Any]:
        return {"metadata_fields": list(store.documents("metadata_field").values())}

    @routes.post("/metadata_fields")
    def create_field(cloud: str) -> dict[str, Any]:
        field = _new_field(_body())
        if store.document("metadata_field", field["external_id"]):
            raise ApiError(409, f"external id {field['external_id']} already exists")
        store.keep_document("metadata_field", field["external_id"], field)
        return field

    @routes.get("/metadata_fields/<external_id>")
    def metadata_field(cloud: str, external_id: str) -> dict[str, Any]:
        return _find(server, external_id)

    @routes.put("/metadata_fields/<external_id>")
    def update_field(cloud: str, external_id: str) -> dict[str, Any]:
        field = _find(server, external_id)
        field |= {name: value for name, value in _body().items() if name in _CHANGEABLE}
        _check(field)
        store.keep_document("metadata_field", external_id, field)
        return field

    @routes.delete("/metadata_fields/<external_id>")
    def delete_field(cloud: str, external_id: str) -> dict[str, Any]:
        if not store.drop_document("metadata_field", external_id):
            raise not_found(f"External ID {external_id} doesn't exist")
        return {"message": "ok"}

    @routes.put("/metadata_fields/<external_id>/datasource")
    def update_datasource(cloud: str, external_id: str) -> dict[str, Any]:
        field = _find(server, external_id)
        values = field.get("datasource", {}).get("values", [])
        for entry in _entries(_body().get("values")):
            known = next((one for one in values if one["external_id"] == entry["external_id"]), None)
            if known is None:
                values.append(entry)
            else:
                known |= {"value": entry["value"]}
        return _keep_values(server, field, values)

    @routes.delete("/metadata_fields/<external_id>/datasource")
    def delete_entries(cloud: str, external_id: str) -> dict[str, Any]:
        return _set_state(server, external_id, "inactive")

    @routes.post("/metadata_fields/<external_id>/datasource_restore")
    def restore_entries(cloud: str, external_id: str) -> dict[str, Any]:
        return _set_state(server, external_id, "active")


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
    return {"values": [entry for entry in values if entry["state"] == "active"]}


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
