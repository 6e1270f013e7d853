"""Recounts counters against the truth while traffic runs, reports drift, and repairs it.

A write changes a document first and the counter a moment later, so a count taken in between looks like drift and
is none. Three things keep a repair from overwriting such a change: the revision that every `$inc` raises is read
before counting; the repair waits longer than any write takes; and it is a compare-and-swap on that revision.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bson import ObjectId

from machine.declare.match import as_query, reach
from machine.declare.resource import Count, Resource
from machine.write.store import Store

BATCH = 1000
# Longer than a request may take between a document and its counter, in seconds.
SETTLE = 2.0
ROUNDS = 5


@dataclass
class Drift:
    """One counter that is not what it should be. `fixed` None: nobody asked."""

    resource: str
    id: ObjectId
    counter: str
    stored: int
    counted: int
    revision: int | None
    fixed: bool | None = None


def verify(
    store: Store, fix: bool = False, settle: float = SETTLE, check: Callable[[], None] = lambda: None
) -> Iterator[Drift]:
    """Yield every drift that outlasts `settle` seconds; with `fix`, repair each. `check` may raise to stop."""
    for (parent, counter), rules in counters(store).items():
        for ids in batches(store, parent):
            check()
            suspects = compare(store, parent, counter, rules, ids)
            if suspects:
                yield from confirm(store, parent, counter, rules, suspects, fix, settle)


def counters(store: Store) -> dict[tuple[str, str], list[tuple[Resource, Count]]]:
    """Return the rules behind each counter, by (resource, path)."""
    found: dict[tuple[str, str], list[tuple[Resource, Count]]] = defaultdict(list)
    for child in store.registry:
        for rule in child.counts:
            for parent in child.targets(rule.of):
                found[parent, rule.counter].append((child, rule))
    return found


def batches(store: Store, resource: str) -> Iterator[list[ObjectId]]:
    """Yield the ids of a resource, some at a time, in their order."""
    last = None
    while True:
        match: dict[str, object] = {"_id": {"$gt": last}} if last else {}
        ids = [
            one["_id"]
            for one in store.collection(resource).find(match, {"_id": 1}).sort("_id", 1).limit(BATCH)
        ]
        if not ids:
            return
        yield ids
        last = ids[-1]


def compare(
    store: Store, parent: str, counter: str, rules: Iterable[tuple[Resource, Count]], ids: list[ObjectId]
) -> list[Drift]:
    """Return those of these documents whose counter differs from the count. The counter is read first."""
    fields = {counter: 1, "counters_rev": 1}
    stored = {one["_id"]: one for one in store.collection(parent).find({"_id": {"$in": ids}}, fields)}
    counted: dict[ObjectId, int] = defaultdict(int)
    for child, rule in rules:
        match = as_query(rule.when) | child.only_to(rule.of, parent) | {rule.of: {"$in": ids}}
        if child.keep_deleted:
            match["deleted_at"] = None
        groups = [{"$match": match}, {"$group": {"_id": f"${rule.of}", "n": {"$sum": 1}}}]
        for group in store.collection(child.name).aggregate(groups):
            counted[group["_id"]] += group["n"]
    return [
        Drift(parent, id_, counter, reach(one, counter) or 0, counted[id_], one.get("counters_rev"))
        for id_, one in stored.items()
        if (reach(one, counter) or 0) != counted[id_]
    ]


def confirm(
    store: Store,
    parent: str,
    counter: str,
    rules: list[tuple[Resource, Count]],
    suspects: list[Drift],
    fix: bool,
    settle: float,
) -> Iterator[Drift]:
    """Yield the drifts that are real; those that others keep changing are looked at again."""
    for _ in range(ROUNDS):
        time.sleep(settle)
        busy = []
        for drift in suspects:
            if not settled(store, drift, fix):
                busy.append(drift.id)
                continue
            drift.fixed = True if fix else None
            yield drift
        if not busy:
            return
        suspects = compare(store, parent, counter, rules, busy)
    for drift in suspects:
        drift.fixed = False if fix else None
        yield drift


def settled(store: Store, drift: Drift, fix: bool) -> bool:
    """Tell whether nobody touched the counter since it was read; with `fix`, set it in the same step."""
    same = {"_id": drift.id, "counters_rev": drift.revision}
    if not fix:
        return store.collection(drift.resource).find_one(same, {"_id": 1}) is not None
    update = {"$set": {drift.counter: drift.counted}, "$inc": {"counters_rev": 1}}
    return bool(store.collection(drift.resource).update_one(same, update).matched_count)
