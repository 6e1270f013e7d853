"""What routes say of the bodies they answer and take: named objects, pages of documents, and rules used by many."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TEXT = {"type": "string", "required": True}
COUNT = {"type": "integer", "required": True}
NUMBER = {"type": "number", "required": True}
FLAG = {"type": "boolean", "required": True}
ID = {"type": "objectid", "required": True}
MOMENT = {"type": "datetime", "required": True}
LINKS: dict[str, Any] = {"type": "dict", "required": True, "meta": {"links": True}}


def each(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules of an object that has for each key, an id or a word, a value by these."""
    return {"type": "dict", "required": True, "valuesrules": rules}


def rows(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules of a list of objects with these fields."""
    return {"type": "list", "required": True, "schema": {"type": "dict", "schema": fields}}


COUNTS = each({"type": "integer"})


@dataclass(frozen=True)
class Shape:
    """An object by the Cerberus rules of its fields, under its name in the OpenAPI document."""

    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class PageOf:
    """A page of documents of a resource, in the envelope of lists."""

    resource: str


UPLOAD_ACCEPTED = Shape("UploadAccepted", {"status": TEXT, "job": ID, "_links": LINKS})
JOB_ACCEPTED = Shape("JobAccepted", {"job": ID, "state": TEXT, "_links": LINKS})
