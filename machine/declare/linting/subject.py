"""The resource that is checked: its declaration, and what its fields and references lead to."""

from collections.abc import Iterable, Mapping
from typing import Any

from machine.declare.linting.complaints import Complaints
from machine.declare.resource import META


class Subject:
    """One resource under inspection."""

    def __init__(self, name: str, definitions: Mapping[str, Any]) -> None:
        self.name = name
        self.definitions = definitions
        self.schema: Mapping[str, Any] = definitions[name]["schema"]
        self.policy: Mapping[str, Any] = definitions[name]["policy"]
        self.stored = {*self.schema, *META, "deleted_at"}

    def has(self, path: str, place: Complaints) -> bool:
        """Check that a dotted path leads to a field."""
        return has_path(self.schema, self.stored, path, place)

    def targets(self, field: str) -> list[str]:
        """Return the resources that a field refers to, none where it is no reference."""
        relation = self.schema.get(field, {}).get("data_relation")
        if relation:
            return [relation["resource"]]
        return list(self.policy.get("references", {}).get(field, {}).get("of", {}).values())

    def is_reference(self, field: str, place: Complaints) -> bool:
        """Check that a field refers to another resource."""
        if place.known(field, self.schema, "field") and not self.targets(field):
            place.say(f"{field!r} is no reference")
        return bool(self.targets(field))


def has_path(schema: Mapping[str, Any], stored: Iterable[str], path: str, place: Complaints) -> bool:
    """Check that a dotted path leads to a field of a schema."""
    first, *rest = path.split(".")
    if not place.known(first, set(stored), "field"):
        return False
    inner = schema.get(first, {}).get("schema")
    return has_path(inner, inner, ".".join(rest), place) if rest and isinstance(inner, Mapping) else True
