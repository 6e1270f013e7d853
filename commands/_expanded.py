"""What a resource has without saying so: defaults, the fields that the machine adds, derived indexes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from commands._tables import make_table

if TYPE_CHECKING:
    from rich.table import Table

    from machine.declare.resource import Index, Resource


def describe_expanded(resource: "Resource") -> dict[str, Any]:
    """Return as data what was not said, and all indexes with the key that each comes from."""
    return {
        "left_out": left_out(resource),
        "fields_from": {name: origin(resource, name) for name in resource.fields},
        "start_values": resource.start_values,
        "indexes": [
            {
                "name": one.name,
                "keys": keys_in_words(one),
                "options": dict(one.options),
                "from": one.comes_from,
            }
            for one in resource.indexes
        ],
    }


def expanded_tables(resource: "Resource") -> "list[Table]":
    """Return the tables of what was not said."""
    defaults = make_table("left out", "what holds")
    for key, value in left_out(resource).items():
        defaults.add_row(key, value_in_words(value))
    fields = make_table("field", "its policy comes from", "a new document holds")
    for name in resource.fields:
        start = resource.start_values
        fields.add_row(name, origin(resource, name), value_in_words(start[name]) if name in start else "")
    indexes = make_table("index", "keys", "options", "comes from")
    for one in resource.indexes:
        options = ", ".join(f"{word} {value_in_words(value)}" for word, value in one.options.items())
        indexes.add_row(one.name, keys_in_words(one), options, one.comes_from)
    return [defaults, fields, indexes]


def left_out(resource: "Resource") -> dict[str, Any]:
    """Return each key that the declaration leaves out, with what holds instead."""
    from machine.declare import defaults

    definition, policy = resource.definition, resource.definition["policy"]
    on_list, on_item = defaults.methods(definition)
    roles = defaults.roles(definition)
    return {
        **missing(definition, {"resource_methods": on_list, "item_methods": on_item}),
        **missing(policy.get("roles", {}), roles, "roles."),
        **missing(policy, {key: usual for key, usual in defaults.POLICY.items() if key != "roles"}),
    }


def missing(said: Mapping[str, Any], usual: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return what is usual where nothing is said."""
    return {prefix + key: value for key, value in usual.items() if key not in said}


def origin(resource: "Resource", name: str) -> str:
    """Say where the policy of a field comes from: its row, its rules, or the machine, which adds some fields."""
    if name not in resource.schema:
        return "soft_delete" if name == "deleted_at" else "the machine"
    said = sorted(resource.definition["policy"].get("fields", {}).get(name, {}))
    row = f"its row ({', '.join(said)})" if said else ""
    rest = "readonly" if resource.schema[name].get("readonly") and "write" not in said else ""
    return " and ".join(word for word in (row, rest) if word) or "the default"


def keys_in_words(index: "Index") -> str:
    """Write the keys of an index as sorts are written."""
    return ", ".join(
        f"-{name}" if way == -1 else name if way == 1 else f"{name} ({way})" for name, way in index.keys
    )


def value_in_words(value: Any) -> str:
    """Write a value; an empty one as nothing."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return "nothing" if value in (None, {}) else str(value)
