"""What routes say of the bodies they answer and take: named objects, pages of documents, and rules used by many."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TEXT = {"type": "string", "required": True}
COUNT = {"type": "integer", "required": True}
FLAG = {"type": "boolean", "required": True}
ID = {"type": "objectid", "required": True}
MOMENT = {"type": "datetime", "required": True}
LINKS: dict[str, Any] = {"type": "dict", "required": True, "meta": {"links": True}}
COUNTS: dict[str, Any] = {"type": "dict", "required": True, "valuesrules": {"type": "integer"}}


@dataclass(frozen=True)
class Shape:
    """An object by the Cerberus rules of its fields, under its name in the OpenAPI document."""

    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class PageOf:
    """A page of documents of a resource, in the envelope of lists."""

    resource: str


JOB_ACCEPTED = Shape("JobAccepted", {"job": ID, "state": TEXT, "_links": LINKS})
