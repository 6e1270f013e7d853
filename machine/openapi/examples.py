"""Makes an example that satisfies a schema, out of likely values."""

import re
from collections.abc import Mapping
from typing import Any

from machine.openapi.words import EXAMPLES

Schema = Mapping[str, Any]
ID = "6921ab12cd34ef5601234567"
MOMENT = "2026-11-22T07:15:00Z"
LIKELY = [
    "example",
    "en",
    "a",
    ID,
    "https://example.org/",
    "123456",
    "ada@example.org",
    "00:00:00",
    "2026-11-22",
]
NOTHING = object()


class Examples:
    """Makes examples of schemas; `components` are where references lead."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self.components = components

    def of(self, schema: Schema, name: str = "") -> Any:
        """Return an example, or NOTHING where none could be made."""
        if "example" in schema:
            return schema["example"]
        if "$ref" in schema:
            return self.of(self.components[schema["$ref"].rsplit("/", 1)[1]], name)
        if "allOf" in schema:
            return self.joined(schema["allOf"], name)
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema:
                return self.of(schema[keyword][0], name)
        kind = schema.get("type")
        if kind == "object":
            return self.object(schema)
        if kind == "array":
            inner = self.of(schema.get("items", {}), name)
            return [] if inner is NOTHING or schema.get("maxItems") == 0 else [inner]
        return self.scalar(schema, kind, name)

    def joined(self, parts: list[Schema], name: str) -> Any:
        """Join the examples of objects."""
        made = [self.of(part, name) for part in parts]
        if not all(isinstance(one, dict) for one in made):
            return made[0]
        return {key: value for one in made for key, value in one.items()}

    def object(self, schema: Schema) -> dict[str, Any]:
        """Make an object with every property that an example can be made of."""
        made = {name: self.of(one, name) for name, one in schema.get("properties", {}).items()}
        return {name: value for name, value in made.items() if value is not NOTHING}

    def scalar(self, schema: Schema, kind: Any, name: str) -> Any:
        """Take the first likely value that fits."""
        if "enum" in schema:
            return schema["enum"][0]
        likely: list[Any] = [*EXAMPLES.get(name, []), *([schema["default"]] if "default" in schema else [])]
        if kind == "boolean":
            likely += [False]
        elif kind in ("integer", "number"):
            likely += [schema.get("minimum", 0), schema.get("maximum", 0)]
        elif kind == "string":
            likely += [MOMENT] if schema.get("format") == "date-time" else LIKELY
            likely += ["a" * schema.get("minLength", 0)]
        return next((one for one in likely if fits(one, schema, kind)), NOTHING)


def fits(value: Any, schema: Schema, kind: Any) -> bool:
    """Tell whether a scalar satisfies the schema."""
    types: dict[Any, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    if (
        kind not in types
        or not isinstance(value, types[kind])
        or (kind != "boolean" and isinstance(value, bool))
    ):
        return False
    if isinstance(value, str):
        long_enough = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return long_enough and re.search(schema.get("pattern", ""), value) is not None
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
