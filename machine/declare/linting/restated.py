"""Refuses what only says again what holds anyway: the next reader would look for the difference."""

from collections.abc import Mapping
from typing import Any

from machine.declare import defaults
from machine.declare.linting.complaints import Complaints
from machine.declare.linting.erasure import kept_texts
from machine.declare.linting.subject import Subject
from machine.declare.match import same

Row = Mapping[str, Any]
LEAVE_OUT = "is what holds anyway: leave it out"


def check_restated(subject: Subject, file: Complaints) -> None:
    """Hold every word of a declaration against what holds without it."""
    definition, place = subject.definitions[subject.name], file.at("policy")
    on_list, on_item = defaults.LIST_METHODS, defaults.ITEM_METHODS
    check_row(definition, {"resource_methods": on_list, "item_methods": on_item, "mongo_indexes": {}}, file)
    check_rules(subject.schema, file.at("schema"))
    check_row(subject.policy.get("roles", {}), defaults.roles(definition), place.at("roles"))
    texts = set(kept_texts(subject))
    for field, words in subject.policy.get("fields", {}).items():
        usual = defaults.field(subject.schema[field])
        if field in texts:
            # There `False` says that the text is kept on purpose.
            del usual["pii"]
        check_row(words, usual, place.at(f"fields.{field}"), whole="it says nothing of the field")
    check_rows(subject, place)
    for field, states in subject.policy.get("states", {}).items():
        inside = place.at(f"states.{field}")
        check_row(states, defaults.STATES, inside)
        for key, usual in (("remembers", {"along": []}), ("deadlines", {"clears": []})):
            for state, words in states.get(key, {}).items():
                check_row(words, usual, inside.at(f"{key}.{state}"))


def check_rows(subject: Subject, place: Complaints) -> None:
    """Check the rows of a policy that have words of their own."""
    policy = subject.policy
    for number, query in enumerate(policy.get("queries", [])):
        check_row(query, {"view": defaults.view(policy)}, place.at(f"queries.{number}"))
    for number, unique in enumerate(policy.get("unique", [])):
        check_row(unique, {"shown": unique["fields"][-1]}, place.at(f"unique.{number}"))
    for name, action in policy.get("actions", {}).items():
        check_row(action, {"when": {}, "path": name}, place.at(f"actions.{name}"))
    for key, word, more in (("counts", "counter", "when"), ("mounts", "url", "filter")):
        for field, entry in policy.get(key, {}).items():
            for one in entry if isinstance(entry, list) else [entry]:
                if isinstance(one, Mapping):
                    inside = place.at(f"{key}.{field}")
                    check_row(one, {more: {}}, inside)
                    if set(one) == {word}:
                        inside.say(f"{dict(one)!r} says no more than {one[word]!r}: write that")


def check_row(row: Row, usual: Row, place: Complaints, whole: str = "") -> None:
    """Complain about each word that says what it would mean if it were not there."""
    if whole and not row:
        place.say(f"{whole}: leave it out")
    for word, value in row.items():
        if word in usual and restates(value, usual[word]):
            place.at(word).say(f"{value!r} {LEAVE_OUT}")


def restates(value: Any, usual: Any) -> bool:
    """Tell whether a word says what holds anyway; the order of a list of people or methods means nothing."""
    if isinstance(value, list | tuple) and isinstance(usual, list):
        return sorted(map(str, value)) == sorted(map(str, usual))
    return same(value, usual)


def check_rules(schema: Mapping[str, Any], place: Complaints) -> None:
    """Check the rules of every field, however deep."""
    for name, rules in schema.items():
        inside = place.at(name)
        check_row(rules, {"readonly": False, "required": False}, inside)
        inner = rules.get("schema")
        if isinstance(inner, Mapping):
            check_rules({"schema": inner} if rules.get("type") == "list" else inner, inside)
