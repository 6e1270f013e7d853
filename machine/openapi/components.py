"""What comes from eve-swagger: Cerberus schemas as OpenAPI 3.0 schemas, compiled in an application of their own."""

import copy
import warnings
from collections.abc import Mapping
from typing import Any, cast

from flask import Flask
from flask.json.provider import DefaultJSONProvider

Rules = Mapping[str, Any]
# What eve-swagger reads of a domain entry, for schemas that are no resource: bodies and answers of routes.
LOOSE = {"resource_methods": [], "item_methods": [], "item_lookup_field": "_id", "bulk_enabled": False}
SERVERS = [{"url": "/", "description": "The copy that serves this document."}]


def compile_base(app: Any, info: Mapping[str, Any], loose: Mapping[str, Rules]) -> dict[str, Any]:
    """Return eve-swagger's document; `loose` are further Cerberus schemas, compiled beside the resources'.

    Compiling changes the domain it reads. So it reads a deep copy, in an application made for this one request.
    """
    import eve_swagger

    domain = copy.deepcopy(dict(app.config["DOMAIN"]))
    for name, schema in loose.items():
        entry = {
            "schema": copy.deepcopy(dict(schema)),
            "url": name,
            "resource_title": name,
            "item_title": name,
        }
        domain[name] = {**LOOSE, **entry}
    for entry in domain.values():
        entry["schema"] = {field: plain(rules) for field, rules in entry["schema"].items()}
    stage = Flask("openapi", static_folder=None)
    stage.config.update(app.config)
    stage.config.update(DOMAIN=domain, SWAGGER_INFO=dict(info), SWAGGER_HOST="/", URL_PREFIX="", DEBUG=False)
    # Eve would have it, and eve-swagger asks for it.
    stage.auth = None  # type: ignore[attr-defined]
    cast(DefaultJSONProvider, stage.json).sort_keys = False
    stage.register_blueprint(eve_swagger.get_swagger_blueprint())
    with warnings.catch_warnings():
        # eve-swagger checks its settings with a rule of Cerberus that has since been renamed.
        warnings.simplefilter("ignore", DeprecationWarning)
        document: dict[str, Any] = stage.test_client().get("/api-docs").get_json()
    titles = {name: entry["item_title"] for name, entry in domain.items()}
    document["compiled"] = {name: document["components"]["schemas"][title] for name, title in titles.items()}
    return document


def plain(rules: Any) -> Any:
    """Return rules that eve-swagger can read: it stops at a list of types and at a schema without a type.

    What is lost here is put back by machine.openapi.fields, which reads the rules as declared.
    """
    if not isinstance(rules, Mapping):
        return rules
    kept = {name: value for name, value in rules.items() if name not in ("type", "schema", "default")}
    if isinstance(rules.get("type"), str):
        kept["type"] = rules["type"]
    elif "schema" in rules:
        kept["type"] = "list" if "type" in rules["schema"] else "dict"
    inner = rules.get("schema")
    if isinstance(inner, Mapping) and kept["type"] == "list":
        kept["schema"] = plain(inner)
    elif isinstance(inner, Mapping):
        kept["schema"] = {name: plain(one) for name, one in inner.items()}
    return kept
