"""Builds the declared indexes, and tells which are missing."""

from collections.abc import Iterator
from typing import Any

import pymongo
from pymongo import IndexModel

from policy.store import Store
from services.indexes import INDEXES

LONGEST_BUILD_SECONDS = 24 * 3600
Index = tuple[str, str, list[tuple[str, Any]], dict[str, Any]]


def declared_indexes(store: Store) -> Iterator[Index]:
    """Yield (collection, name, keys, options) of every index, of resources and of internal collections."""
    for resource in store.registry:
        for name, keys, options in resource.indexes():
            yield resource.name, name, keys, options
        for field in resource.states:
            yield resource.name, f"{field}_deadline", [(f"{field}_deadline", 1)], {"sparse": True}
        if "POST" in resource.methods[0]:
            yield resource.name, "idempotency_key", [("idempotency_key", 1)], {"unique": True, "sparse": True}
        if resource.keep_deleted:
            yield resource.name, "deleted", [("deleted_at", 1)], {}
    for collection, indexes in INDEXES.items():
        for name, (keys, options) in indexes.items():
            yield collection, name, keys, options


def build_indexes(store: Store) -> list[str]:
    """Create what is missing and return `collection.name` of each; existing ones are left as they are.

    Those of one collection are built together, so that it is read once.
    """
    absent = missing_indexes(store)
    models: dict[str, list[IndexModel]] = {}
    for collection, name, keys, options in declared_indexes(store):
        if f"{collection}.{name}" in absent:
            models.setdefault(collection, []).append(IndexModel(keys, name=name, **options))
    # A million documents take minutes, longer than any answer may take a reader.
    with pymongo.timeout(LONGEST_BUILD_SECONDS):
        for collection, wanted in models.items():
            store.services.db[collection].create_indexes(wanted)
    return absent


def missing_indexes(store: Store) -> list[str]:
    """Return `collection.name` of each declared index that the database lacks."""
    present: dict[str, set[str]] = {}
    absent = []
    for collection, name, _, _ in declared_indexes(store):
        if collection not in present:
            present[collection] = set(store.services.db[collection].index_information())
        if name not in present[collection]:
            absent.append(f"{collection}.{name}")
    return absent
