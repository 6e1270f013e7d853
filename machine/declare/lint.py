"""The lint of all declarations, run at every start: plain Eve accepts every one of these mistakes in silence."""

from typing import Any

from machine.declare.linting.complaints import Complaints
from machine.declare.linting.indexes import check_indexes
from machine.declare.linting.policies import check_policy
from machine.declare.linting.restated import check_restated
from machine.declare.linting.schemas import check_schema
from machine.declare.linting.subject import Subject

# Eve's keys that we use. Others exist; what they do stands in policy here, or is off.
EVE_KEYS = {
    "schema": dict,
    "resource_methods": list,
    "item_methods": list,
    "additional_lookup": dict,
    "mongo_indexes": dict,
    "policy": dict,
}
LIST_METHODS, ITEM_METHODS = {"GET", "POST"}, {"GET", "PATCH", "PUT", "DELETE"}


def lint(definitions: dict[str, dict[str, Any]]) -> list[str]:
    """Return one sentence per mistake: the file, the key, what is wrong, and the nearest right word."""
    complaints = Complaints()
    for name, definition in definitions.items():
        file = complaints.of(f"schemas/{name}.py")
        check_keys(definition, file)
        if not file.found:
            check_schema(definition["schema"], definitions, file.at("schema"))
        if not file.found:
            check_policy(name, definitions, file.at("policy"))
        if not file.found:
            subject = Subject(name, definitions)
            check_restated(subject, file)
            check_indexes(subject, file)
    if not complaints.found:
        check_counters(definitions, complaints)
    return complaints.found


def check_keys(definition: dict[str, Any], file: Complaints) -> None:
    """Check Eve's keys of one resource."""
    for key, value in definition.items():
        if key not in EVE_KEYS:
            file.unknown(key, EVE_KEYS, "key")
        elif not isinstance(value, EVE_KEYS[key]):
            file.at(key).say(f"must be a {EVE_KEYS[key].__name__}")
    for key in ("schema", "policy"):
        if key not in definition:
            file.at(key).say("is missing")
    for key, methods in (("resource_methods", LIST_METHODS), ("item_methods", ITEM_METHODS)):
        for method in definition.get(key, []):
            file.at(key).known(method, methods, "method")


def check_counters(definitions: dict[str, dict[str, Any]], complaints: Complaints) -> None:
    """Every counter is raised by some resource's `counts`, or says which job keeps it."""
    owned = set()
    for definition in definitions.values():
        for field, entry in definition["policy"].get("counts", {}).items():
            targets = counted_resources(definition, field)
            for one in entry if isinstance(entry, list) else [entry]:
                path = one if isinstance(one, str) else one["counter"]
                owned |= {(target, path) for target in targets}
    for name, definition in definitions.items():
        counters = definition["schema"].get("counters", {})
        kept = counters.get("meta", {}).get("kept_by_job", ())
        for counter in counters.get("schema", {}):
            if (name, f"counters.{counter}") not in owned and counter not in kept:
                place = complaints.of(f"schemas/{name}.py").at(f"schema.counters.{counter}")
                place.say("nobody counts it: no `counts` names it, and it is not among `kept_by_job`")


def counted_resources(definition: dict[str, Any], field: str) -> set[str]:
    """Return the resources that a reference may lead to."""
    relation = definition["schema"][field].get("data_relation")
    if relation:
        return {relation["resource"]}
    return set(definition["policy"].get("references", {}).get(field, {}).get("of", {}).values())
