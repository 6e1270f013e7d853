"""Checks the policy of a declaration: every key, word, role, field and resource in it."""

from collections.abc import Callable, Mapping
from typing import Any

from machine.declare import defaults
from machine.declare.linting.complaints import Complaints
from machine.declare.linting.copies import check_folded, check_searched
from machine.declare.linting.erasure import check_beside, check_erasure, check_parent_delete, check_pii
from machine.declare.linting.notices import check_notices
from machine.declare.linting.restated import LEAVE_OUT
from machine.declare.linting.states import SETTINGS, check_states
from machine.declare.linting.subject import Subject, has_path
from machine.declare.match import same
from machine.declare.resource import RANKS, VIEWS, WORDS
from machine.http.reasons import REASONS

METHODS = {"GET", "POST", "PATCH", "PUT", "DELETE"}
MOMENTS = {"created", "updated", "deleted"}


def check_policy(name: str, definitions: Mapping[str, Any], place: Complaints) -> None:
    """Check every key of one policy."""
    subject = Subject(name, definitions)
    for key, value in subject.policy.items():
        if key in defaults.POLICY and same(value, defaults.POLICY[key]):
            place.at(key).say(f"{value!r} {LEAVE_OUT}")
        elif place.known(key, CHECKS, "policy key"):
            CHECKS[key](subject, value, place.at(key))
    check_erasure(subject, place)


def check_owner(subject: Subject, path: str, place: Complaints) -> None:
    """`owner` or `channel.owner`: a field here, or a field of what a reference leads to."""
    reference, _, theirs = path.partition(".")
    if not theirs:
        subject.has(path, place)
    elif subject.is_reference(reference, place):
        target = subject.definitions[subject.targets(reference)[0]]["schema"]
        place.known(theirs, target, "field")
        place.known("owner", subject.schema, "field")


def check_people_only(subject: Subject, value: Any, place: Complaints) -> None:
    """No key reaches it: then nobody but its owner may read it, or a key would as a stranger."""
    if value is not True:
        place.say("must be True, or left out")
    if subject.policy.get("readable") is not None or subject.policy.get("readable_by_link") is not None:
        place.say("says nothing of what everyone may read")


def check_about(subject: Subject, field: str, place: Complaints) -> None:
    """The field that names what a document tells of."""
    if place.known(field, subject.schema, "field") and subject.schema[field].get("type") != "string":
        place.say(f"{field!r} is no text")


def check_roles(subject: Subject, roles: Mapping[str, list[str]], place: Complaints) -> None:
    """Role to methods."""
    for role, methods in roles.items():
        place.known(role, {*RANKS, "owner", "host"}, "role")
        for method in methods:
            place.at(role).known(method, METHODS, "method")


def check_filter(subject: Subject, wanted: Mapping[str, Any] | None, place: Complaints) -> None:
    """A filter: paths that exist, values that a choice can have."""
    for path, condition in (wanted or {}).items():
        if subject.has(path, place):
            allowed = subject.schema.get(path, {}).get("allowed")
            values = condition if isinstance(condition, list) else [condition]
            for value in values:
                if allowed and isinstance(value, str):
                    place.at(path).known(value, allowed, "value")


def check_readable_with(subject: Subject, field: str, place: Complaints) -> None:
    """The reference to what must be readable too."""
    subject.is_reference(field, place)


def check_readable_while(subject: Subject, wanted: Mapping[str, Any], place: Complaints) -> None:
    """A filter on what `readable_with` leads to."""
    for target in subject.targets(subject.policy.get("readable_with", "")):
        check_filter(Subject(target, subject.definitions), wanted, place)
    if "readable_with" not in subject.policy:
        place.say("says nothing without `readable_with`")


def check_fields(subject: Subject, fields: Mapping[str, Any], place: Complaints) -> None:
    """Per field: who reads, who writes, whether it is personal."""
    for field, words in fields.items():
        place.known(field, subject.schema, "field")
        inside = place.at(field)
        inside.keys(words, {"read", "write", "pii"})
        check_pii(subject.schema.get(field, {}), words.get("pii", False), inside.at("pii"))
        for word in words.get("read", []):
            inside.at("read").known(word, {*WORDS, "server"}, "role")
        for word in words.get("write", []):
            inside.at("write").known(word, {*WORDS, "server", "create"}, "role")


def check_query_words(subject: Subject, queries: list[Mapping[str, Any]], place: Complaints) -> None:
    """The declared pairs: known fields that whoever asks may read."""
    hidden = {
        name for name, words in subject.policy.get("fields", {}).items() if words.get("read") == ["server"]
    }
    for number, query in enumerate(queries):
        inside = place.at(str(number))
        inside.keys(query, {"filter", "sort", "view", "index"})
        inside.at("view").known(query.get("view", "public"), VIEWS, "view")
        names = [*query["filter"], *(word.strip().lstrip("-") for word in query["sort"].split(","))]
        for name in names:
            if subject.has(name, inside) and name.split(".")[0] in hidden:
                inside.say(f"{name!r} is hidden: a filter or sort on it would tell its value")


def check_embeds(subject: Subject, embeds: Mapping[str, list[str]], place: Complaints) -> None:
    """Reference to the fields shown of it."""
    for field, names in embeds.items():
        if subject.is_reference(field, place):
            target = subject.definitions[subject.targets(field)[0]]
            for name in names:
                place.at(field).known(name, target["schema"], "field")
                if "anyone" not in target["policy"].get("fields", {}).get(name, {}).get("read", ["anyone"]):
                    place.at(field).say(f"{name!r} is not for everyone to read")


def check_counts(subject: Subject, counts: Mapping[str, Any], place: Complaints) -> None:
    """Reference to the counter on what it leads to."""
    for field, entry in counts.items():
        if not subject.is_reference(field, place):
            continue
        for one in entry if isinstance(entry, list) else [entry]:
            words: Mapping[str, Any] = {"counter": one} if isinstance(one, str) else one
            place.at(field).keys(words, {"counter", "when"})
            check_filter(subject, words.get("when"), place.at(f"{field}.when"))
            for target in subject.targets(field):
                schema = subject.definitions[target]["schema"]
                has_path(schema, schema, words["counter"], place.at(field))


def check_unique(subject: Subject, uniques: list[Mapping[str, Any]], place: Complaints) -> None:
    """Fields that are unique together, and a reason from the table; their index is derived."""
    for number, unique in enumerate(uniques):
        inside = place.at(str(number))
        inside.keys(unique, {"fields", "reason", "shown", "index"})
        for field in unique["fields"]:
            subject.has(field, inside)
        inside.known(unique["reason"], REASONS, "reason")


def check_actions(subject: Subject, actions: Mapping[str, Any], place: Complaints) -> None:
    """Named acts: method, who, and when they are legal."""
    for name, action in actions.items():
        inside = place.at(name)
        inside.keys(action, {"method", "title", "who", "when", "path"})
        inside.known(action.get("method"), METHODS, "method")
        for word in action.get("who", []):
            inside.at("who").known(word, WORDS, "role")
        check_filter(subject, action.get("when"), inside.at("when"))


def check_mounts(subject: Subject, mounts: Mapping[str, Any], place: Complaints) -> None:
    """Reference to the sub-resource URL below what it leads to."""
    for field, mount in mounts.items():
        words: Mapping[str, Any] = {"url": mount} if isinstance(mount, str) else mount
        place.at(field).keys(words, {"url", "filter"})
        check_filter(subject, words.get("filter"), place.at(f"{field}.filter"))
        if subject.is_reference(field, place):
            start = f"{subject.targets(field)[0]}/{{{field}}}/"
            if not words["url"].startswith(start) or words["url"].count("/") != 2:
                place.at(field).say(f"the URL must be {start}<name>")


def check_soft_delete(subject: Subject, words: Mapping[str, str], place: Complaints) -> None:
    """How long a deleted document can be restored: a setting, in seconds."""
    place.keys(words, {"keep"})
    place.known(words.get("keep"), SETTINGS, "setting")


def check_cache(subject: Subject, seconds: Any, place: Complaints) -> None:
    """Seconds an anonymous read may be kept."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 86400:
        place.say("must be a number of seconds from 0 to 86400")


def check_events(subject: Subject, events: list[str], place: Complaints) -> None:
    """Moments that are published: comings and goings, a state reached, or a `<verb>_at` set."""
    reached = {state for states in subject.policy.get("states", {}).values() for state in reachable(states)}
    noted = {name.removesuffix("_at") for name in subject.schema if name.endswith("_at")}
    for event in events:
        place.known(event, MOMENTS | reached | noted, "event")
    if "created" in events and "deleted" not in events:
        place.say("who is told that something came must be told that it went: 'deleted'")


def reachable(states: Mapping[str, Any]) -> set[str]:
    """Return every state that some move leads to."""
    return {to for moves in states.get("moves", {}).values() for to in moves}


def check_rate(subject: Subject, name: str, place: Complaints) -> None:
    """A class of the rate table."""
    from machine.access.limiter import RATES

    place.known(name, RATES, "rate class")


def check_references(subject: Subject, references: Mapping[str, Any], place: Complaints) -> None:
    """References whose resource another field tells."""
    for field, words in references.items():
        inside = place.at(field)
        inside.known(field, subject.schema, "field")
        inside.keys(words, {"by", "of"})
        inside.known(words.get("by"), subject.schema, "field")
        for target in words.get("of", {}).values():
            inside.known(target, subject.definitions, "resource")


def check_state_fields(subject: Subject, fields: Mapping[str, Any], place: Complaints) -> None:
    """Each state field by the rules of its own module."""
    for field, states in fields.items():
        if place.known(field, subject.schema, "field"):
            check_states(field, subject.schema, states, place.at(field))
            for state, wanted in states.get("invariants", {}).items():
                check_filter(subject, wanted, place.at(f"{field}.invariants.{state}"))
            for state, words in states.get("remembers", {}).items():
                for name in filter(None, (words.get("into"), *words.get("along", []))):
                    place.at(f"{field}.remembers.{state}").known(name, subject.schema, "field")


def check_stamps(subject: Subject, stamps: Mapping[str, Any], place: Complaints) -> None:
    """A moment, and the filter whose first satisfaction it notes."""
    for field, wanted in stamps.items():
        if place.known(field, subject.schema, "field") and subject.schema[field].get("type") != "datetime":
            place.at(field).say("must be a datetime")
        check_filter(subject, wanted, place.at(field))


Check = Callable[[Subject, Any, Complaints], None]
# The whole vocabulary. docs/policy.md explains each; a test fails when the two differ.
CHECKS: dict[str, Check] = {
    "owner": check_owner,
    "people_only": check_people_only,
    "about": check_about,
    "roles": check_roles,
    "readable": check_filter,
    "readable_by_link": check_filter,
    "readable_with": check_readable_with,
    "readable_while": check_readable_while,
    "fields": check_fields,
    "folded": check_folded,
    "searched": check_searched,
    "queries": check_query_words,
    "embeds": check_embeds,
    "references": check_references,
    "counts": check_counts,
    "states": check_state_fields,
    "stamps": check_stamps,
    "actions": check_actions,
    "mounts": check_mounts,
    "on_parent_delete": check_parent_delete,
    "beside": check_beside,
    "soft_delete": check_soft_delete,
    "unique": check_unique,
    "cache": check_cache,
    "events": check_events,
    "notices": check_notices,
    "rate": check_rate,
}
