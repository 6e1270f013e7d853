"""Completes what eve-swagger makes of Cerberus rules: ids, dates, patterns, alternatives, open and closed objects."""

import re
from collections.abc import Mapping
from typing import Any

from machine.openapi.words import FIELDS, SECRETS
from machine.text.kinds import KINDS, kind_of

Rules = Mapping[str, Any]
Schema = dict[str, Any]
ID = r"^[0-9a-f]{24}$"
TYPES = {
    "dict": "object",
    "list": "array",
    "float": "number",
    "objectid": "string",
    "datetime": "string",
    "set": "array",
}
CARRIED = ("type", "enum", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "nullable")
NEEDLESS = set("\"'<>@#%&=~,:;!_ ")
ALTERNATIVES = {"anyof": "anyOf", "oneof": "oneOf", "allof": "allOf"}
# Generators of requests join a pattern with its longest length, and give up where that is more than engines repeat.
REPEATS = 50_000


def complete(name: str, rules: Rules, produced: Schema, *, writing: bool, owner: str = "") -> Schema:
    """Return the finished schema of one field. `writing`: what a request may hold, else what an answer holds."""
    schema = {key: produced[key] for key in CARRIED if key in produced}
    kind = rules.get("type")
    if isinstance(kind, list | tuple):
        schema["oneOf"] = [{"type": TYPES.get(one, one)} for one in kind]
    elif kind is not None:
        schema["type"] = TYPES.get(kind, kind)
    complete_text(name, rules, schema, writing=writing)
    complete_inner(name, rules, produced, schema, writing=writing)
    for rule, keyword in ALTERNATIVES.items():
        if rule in rules:
            schema[keyword] = [complete(name, {**one}, {}, writing=writing) for one in rules[rule]]
    if rules.get("nullable"):
        schema["nullable"] = True
        if "enum" in schema and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    if writing and "default" in rules:
        schema["default"] = rules["default"]
    about = " ".join(
        filter(None, (describe_field(name, rules, owner), describe_kind(rules) if writing else ""))
    )
    if about:
        schema["description"] = about
    return schema


def complete_text(name: str, rules: Rules, schema: Schema, *, writing: bool) -> None:
    """Add format and pattern."""
    kind = rules.get("type")
    if kind == "objectid":
        schema["pattern"] = ID
    elif kind == "datetime":
        schema["format"] = "date-time"
    elif "regex" in rules:
        schema["pattern"] = anchor(rules["regex"])
    elif (
        writing and (word := kind_of(rules)) and KINDS[word].pattern and rules.get("maxlength", 0) <= REPEATS
    ):
        schema["pattern"] = KINDS[word].pattern
    if rules.get("empty") is False:
        schema["minItems" if kind == "list" else "minLength"] = 1
    if kind == "string" and name in SECRETS:
        schema["format"] = "password"


def complete_inner(name: str, rules: Rules, produced: Schema, schema: Schema, *, writing: bool) -> None:
    """Finish the items of a list and the fields of an object."""
    kind, inner = schema.get("type"), rules.get("schema")
    if kind == "array":
        items = produced.get("items", {}) if inner else {}
        schema["items"] = complete(name, inner, items, writing=writing, owner=name) if inner else {}
        schema["items"].pop("description", None)
    elif kind == "object":
        if inner:
            schema.update(object_of(inner, produced.get("properties", {}), writing=writing, owner=name))
        if writing and inner and not rules.get("allow_unknown"):
            schema["additionalProperties"] = False
        values = rules.get("valuesrules")
        if values:
            schema["additionalProperties"] = complete(name, values, {}, writing=writing)


def object_of(
    fields: Mapping[str, Rules], produced: Mapping[str, Schema], *, writing: bool, owner: str = ""
) -> Schema:
    """Return `properties` and `required` of an object with these fields."""
    made: Schema = {"properties": {
        field: complete(field, rules, produced.get(field, {}), writing=writing, owner=owner)
        for field, rules in fields.items()
    }}  # fmt: skip
    required = [field for field, rules in fields.items() if rules.get("required")]
    if required:
        made["required"] = required
    return made


def anchor(pattern: str) -> str:
    """Return a pattern that matches as a whole, as Cerberus does, in the syntax of ECMA 262 with `u`."""
    bare = pattern.removeprefix("^").removesuffix("$")
    # There, only what has a meaning may be escaped.
    bare = re.sub(r"\\(.)", lambda found: found[1] if found[1] in NEEDLESS else found[0], bare)
    return f"^(?:{bare})$" if "|" in bare else f"^{bare}$"


def describe_kind(rules: Rules) -> str:
    """Return what is taken as a text of this kind."""
    word = kind_of(rules)
    return KINDS[word].about if word else ""


def describe_field(name: str, rules: Rules, owner: str) -> str:
    """Return the sentence of a field: its own (`meta.about`), that of its resource, or that of its name."""
    about: str = rules.get("meta", {}).get("about") or FIELDS.get(f"{owner}.{name}") or FIELDS.get(name, "")
    if not about and "data_relation" in rules:
        about = f"The id of one of the {rules['data_relation']['resource'].replace('_', ' ')}."
    return about
