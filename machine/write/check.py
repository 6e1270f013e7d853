"""Holds every stored document against what its schema would take today; `run.py db check` tells what it finds.

It reads in batches by id, so that no query lasts, and changes nothing. What a declaration forbids is not always wrong
in what was stored before it: people may send it back, and it stays until they change it.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from cerberus import TypeDefinition, Validator

from machine.declare.resource import Resource
from machine.http.body import StrictRules
from machine.text.kinds import Kind
from machine.write.store import Store

BATCH = 1000
EXAMPLES = 5
# What a schema says of a write, or of the document at the other end, and nothing of what is stored.
NOT_OF_VALUES = ("readonly", "default", "coerce", "data_relation", "meta")
Rules = dict[str, Any]


@dataclass
class Finding:
    """One thing that is wrong with one field of a resource: in how many documents, and some of their ids."""

    resource: str
    field: str
    issue: str
    count: int = 0
    examples: list[Any] = dataclasses.field(default_factory=list)


class StoredRules(StrictRules, Validator):
    """Validates what is stored: each text must also be in the normal form of its kind."""

    types_mapping = {**StrictRules.types_mapping, "objectid": TypeDefinition("objectid", (ObjectId,), ())}

    def hold_text(self, kind: Kind, field: str, value: str) -> None:
        """Add what is wrong with a text, and that it is not in its normal form."""
        super().hold_text(kind, field, value)
        if kind.normal(value) != value:
            self._error(field, "is not in the normal form of its kind of text")


def check_documents(store: Store) -> Iterator[tuple[str, int, list[Finding]]]:
    """Yield of each resource: its name, how many documents it has, and what is wrong with some of them."""
    for resource in store.registry:
        yield resource.name, *check_resource(store, resource)


def check_resource(store: Store, resource: Resource) -> tuple[int, list[Finding]]:
    """Hold the documents of one resource against its schema; return how many there are, and what was found."""
    validator = StoredRules(
        {name: as_stored(rules) for name, rules in resource.schema.items()},
        allow_unknown=True,
        reserved_names=store.services.settings.reserved_names,
    )
    found: dict[tuple[str, str], Finding] = {}
    total = 0
    for document in documents_of(store, resource):
        total += 1
        if validator.validate(document, normalize=False):
            continue
        for path, issue in sorted(set(flatten(validator.errors))):
            one = found.setdefault((path, issue), Finding(resource.name, path, issue))
            one.count += 1
            if len(one.examples) < EXAMPLES:
                one.examples.append(document["_id"])
    return total, sorted(found.values(), key=lambda one: -one.count)


def documents_of(store: Store, resource: Resource) -> Iterator[dict[str, Any]]:
    """Yield the documents of a resource in the order of their ids, a batch per query."""
    collection = store.collection(resource.name)
    match: dict[str, Any] = {}
    fields = dict.fromkeys((*resource.schema, "_id"), 1)
    while batch := list(collection.find(match, fields).sort("_id", 1).limit(BATCH)):
        yield from batch
        match = {"_id": {"$gt": batch[-1]["_id"]}}


def as_stored(rules: Mapping[str, Any]) -> Rules:
    """Return what rules say of a stored value. What is gone, or was never there, is null or absent."""
    stored = {name: rule for name, rule in rules.items() if name not in NOT_OF_VALUES}
    inner = rules.get("schema")
    if isinstance(inner, Mapping) and rules.get("type") == "list":
        stored["schema"] = as_stored(inner)
    elif isinstance(inner, Mapping):
        stored |= {"schema": {name: as_stored(one) for name, one in inner.items()}, "allow_unknown": True}
    return {**stored, "nullable": True}


def flatten(errors: Mapping[Any, list[Any]], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, issue) of each error, however deep; the place in a list is no part of a path."""
    for name, issues in errors.items():
        here = path if isinstance(name, int) else f"{path}.{name}".lstrip(".")
        for issue in issues:
            if isinstance(issue, Mapping):
                yield from flatten(issue, here)
            else:
                yield here, str(issue)
