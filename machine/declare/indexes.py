"""Builds the declared indexes, and tells which are missing."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pymongo
from pymongo import IndexModel

from machine.declare.internal_indexes import INDEXES
from machine.write.store import Store

LONGEST_BUILD_SECONDS = 24 * 3600
Index = tuple[str, str, list[tuple[str, Any]], dict[str, Any]]
Indexes = dict[str, dict[str, Any]]
# Options that make another index of one on the same keys; MongoDB leaves them out where they are off.
COMPARED = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression")


def declared_indexes(store: Store) -> Iterator[Index]:
    """Yield (collection, name, keys, options) of every index, of resources and of internal collections."""
    for resource in store.registry:
        for index in resource.indexes:
            yield resource.name, index.name, index.keys, dict(index.options)
    for collection, indexes in INDEXES.items():
        for name, (keys, options) in indexes.items():
            yield collection, name, keys, options


def build_indexes(store: Store) -> list[str]:
    """Create what is missing and return `collection.name` of each; existing ones are left as they are.

    Those of one collection are built together, so that it is read once. An index whose declaration has changed is
    built beside the old one, which goes when the new one is there: no query is without an index meanwhile.
    """
    built, models = [], defaultdict(list)
    present = {name: indexes_of(store, name) for name in {one[0] for one in declared_indexes(store)}}
    for collection, name, keys, options in declared_indexes(store):
        if is_present(present[collection], name, keys, options):
            continue
        built.append(f"{collection}.{name}")
        old = [one for one in names_of(name) if one in present[collection]]
        free = next((one for one in names_of(name) if one not in old), name)
        model = IndexModel(keys, name=free, **options)
        if old and (len(old) == 2 or not may_stand_beside(present[collection], old, keys)):
            drop(store, collection, old)
            old = []
        models[collection].append((model, old))
    # A million documents take minutes, longer than any answer may take a reader.
    with pymongo.timeout(LONGEST_BUILD_SECONDS):
        for collection, wanted in models.items():
            store.services.db[collection].create_indexes([model for model, _ in wanted])
            for _, old in wanted:
                drop(store, collection, old)
    return built


def missing_indexes(store: Store) -> list[str]:
    """Return `collection.name` of each declared index that the database lacks, or has in another form."""
    present: dict[str, Indexes] = {}
    absent = []
    for collection, name, keys, options in declared_indexes(store):
        if collection not in present:
            present[collection] = indexes_of(store, collection)
        if not is_present(present[collection], name, keys, options):
            absent.append(f"{collection}.{name}")
    return absent


def absent_indexes(store: Store) -> list[str]:
    """Return `collection.name` of each declared index that is there in no form.

    One in another form is no reason to stop: a newer version has migrated, and this one still serves.
    """
    present = {name: indexes_of(store, name) for name in {one[0] for one in declared_indexes(store)}}
    return [
        f"{collection}.{name}"
        for collection, name, _, _ in declared_indexes(store)
        if not any(one in present[collection] for one in names_of(name))
    ]


def undeclared_indexes(store: Store) -> list[str]:
    """Return `collection.name` of each index that nobody declares: of an older version, or an operator's own."""
    known: dict[str, set[str]] = defaultdict(lambda: {"_id_"})
    for collection, name, _, _ in declared_indexes(store):
        known[collection] |= set(names_of(name))
    return sorted(
        f"{collection}.{name}"
        for collection, names in known.items()
        for name in set(indexes_of(store, collection)) - names
    )


def indexes_of(store: Store, collection: str) -> Indexes:
    """Return the indexes of a collection by name; none where it does not exist."""
    return dict(store.services.db[collection].index_information())


def names_of(name: str) -> tuple[str, str]:
    """Return the two names between which an index changes whenever its declaration does."""
    return name, f"{name}_2"


def is_present(present: Indexes, name: str, keys: list[tuple[str, Any]], options: dict[str, Any]) -> bool:
    """Tell whether an index stands under one of its names just as it is declared."""
    return any(one in present and is_same(present[one], keys, options) for one in names_of(name))


def is_same(found: Mapping[str, Any], keys: list[tuple[str, Any]], options: dict[str, Any]) -> bool:
    """Compare an index with a declaration. What is said of texts: their weights stand for their keys."""
    if any(kind == "text" for _, kind in keys):
        texts = {field: options.get("weights", {}).get(field, 1) for field, kind in keys if kind == "text"}
        plain = [key for key in keys if key[1] != "text"]
        before = [key for key in found["key"] if not str(key[0]).startswith("_fts")]
        return found.get("weights") == texts and before == plain
    told = all(found.get(option) == options.get(option) for option in COMPARED)
    return told and list(found["key"]) == list(keys)


def may_stand_beside(present: Indexes, old: list[str], keys: list[tuple[str, Any]]) -> bool:
    """Tell whether MongoDB keeps both: not two on the same keys, nor two of texts."""
    texts = any(kind == "text" for _, kind in keys)
    return not texts and all(list(present[name]["key"]) != list(keys) for name in old)


def drop(store: Store, collection: str, names: list[str]) -> None:
    """Drop indexes."""
    for name in names:
        store.services.db[collection].drop_index(name)
