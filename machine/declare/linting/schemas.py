"""Checks the Cerberus side of a declaration: rules, types and references."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from machine.declare.linting.complaints import Complaints
from machine.text.kinds import DISTINCT, KINDS, kind_of, people_type

META_KEYS = {"start", "kept_by_job", "examples", "form"}


@cache
def cerberus_words() -> tuple[frozenset[str], frozenset[str]]:
    """Return the rules and the types that Eve's validator understands."""
    from eve.io.mongo import Validator

    rules = {*Validator.rules, *Validator.normalization_rules, "data_relation"}
    types = {
        name.removeprefix("_validate_type_") for name in dir(Validator) if name.startswith("_validate_type_")
    }
    return frozenset(rules), frozenset({*Validator.types_mapping, *types})


def check_schema(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], place: Complaints, nested: bool = False
) -> None:
    """Check every field, however deep."""
    for name, rules in schema.items():
        check_rules(rules, definitions, place.at(name))
        if not nested:
            check_kinds(rules, place.at(name))
        if nested and "default" in rules:
            place.at(name).say(
                "has a default inside an object: a PATCH of its neighbours would write it back"
            )


def check_rules(rules: Mapping[str, Any], definitions: Mapping[str, Any], place: Complaints) -> None:
    """Check the rules of one field."""
    known_rules, known_types = cerberus_words()
    place.keys(rules, known_rules, "Cerberus rule")
    kinds = rules.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        place.known(kind, known_types, "type")
    place.at("meta").keys(rules.get("meta", {}), META_KEYS, "meta key")
    if rules.get("required") and ("default" in rules or "default_setter" in rules):
        place.say("is both required and defaulted; one of the two means nothing")
    if "regex" in rules and not rules.get("meta", {}).get("form"):
        place.say("has a pattern: say its form in words, for those who send something else")
    relation = rules.get("data_relation")
    if relation:
        place.at("data_relation").known(relation.get("resource"), definitions, "resource")
    for rule, right in (("coerce", {*KINDS, DISTINCT}), ("check_with", KINDS)):
        if rule in rules:
            place.at(rule).known(rules[rule], right, "kind of text")
    inner = rules.get("schema")
    if isinstance(inner, Mapping):
        if rules.get("type") == "list":
            check_rules(inner, definitions, place.at("schema"))
        else:
            check_schema(inner, definitions, place, nested=True)


def check_kinds(rules: Mapping[str, Any], place: Complaints) -> None:
    """Each text that people type says what kind it is: else nobody would trim it, or refuse what shows nothing."""
    inner = rules.get("schema")
    if rules.get("readonly"):
        return
    if isinstance(inner, Mapping) and rules.get("type") == "list":
        check_kinds(inner, place.at("schema"))
    elif isinstance(inner, Mapping):
        for name, one in inner.items():
            check_kinds(one, place.at(name))
    elif people_type(rules) and kind_of(rules) is None:
        place.say(f"is typed by people: say its kind of text, one of {', '.join(sorted(KINDS))}")
