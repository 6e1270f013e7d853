"""Checks who is told of a document: that they can be found, and that what undoes it is an event too."""

from collections.abc import Mapping
from typing import Any

from machine.declare.linting.complaints import Complaints
from machine.declare.linting.subject import Subject
from machine.declare.match import same

# A notice follows its document: whoever changes it, hides it or takes it away must be heard of.
FOLLOWED = ("created", "updated", "deleted")


def check_notices(subject: Subject, notices: Mapping[str, Any], place: Complaints) -> None:
    """Kind to whom it is told, by what it is grouped, and when."""
    for kind, words in notices.items():
        inside = place.at(kind)
        inside.keys(words, {"to", "by", "when", "on"})
        subject.has(words.get("by", ""), inside.at("by"))
        check_condition(subject.schema, subject.has, words.get("when", {}), inside.at("when"))
        for moment in words.get("on", []):
            inside.at("on").known(moment, set(subject.policy.get("events", [])), "event")
        check_people(subject, words.get("to"), "on" in words, inside.at("to"))
    above = subject.targets(subject.policy.get("readable_with", ""))
    require_events(subject.policy, place)
    for name in above:
        require_events(subject.definitions[name]["policy"], place.at(name))


def check_people(subject: Subject, to: Any, at_moments: bool, place: Complaints) -> None:
    """`owner`, `host`, a field with people, or those who follow the same thing."""
    if isinstance(to, Mapping):
        place.keys(to, {"of", "by", "when"})
        if not place.known(to.get("of"), subject.definitions, "resource"):
            return
        place.at("by").known(to.get("by"), subject.schema, "field")
        theirs = subject.definitions[to["of"]]
        place.at("by").known(to.get("by"), theirs["schema"], "field")
        if not theirs["policy"].get("owner"):
            place.say(f"{to['of']!r} is nobody's")
        if not at_moments:
            place.say("followers change by themselves: say `on` which moments they are told")
    elif to == "host":
        if "readable_with" not in subject.policy:
            place.say("there is no host without `readable_with`")
    elif to != "owner" and place.known(to, subject.schema, "field"):
        rules = subject.schema[to]
        relation = rules.get("data_relation") or rules.get("schema", {}).get("data_relation") or {}
        if not same(relation.get("resource"), "users"):
            place.say(f"{to!r} holds no people")


def check_condition(
    schema: Mapping[str, Any], has: Any, wanted: Mapping[str, Any], place: Complaints
) -> None:
    """A filter: paths that exist, values that a choice can have."""
    for path, condition in wanted.items():
        if (
            has(path, place)
            and isinstance(condition, str)
            and (allowed := schema.get(path, {}).get("allowed"))
        ):
            place.at(path).known(condition, allowed, "value")


def require_events(policy: Mapping[str, Any], place: Complaints) -> None:
    """What tells of a change must be there, or a notice outlives what it tells of, or is never told."""
    lacking = [one for one in FOLLOWED if one not in policy.get("events", [])]
    if lacking:
        place.say(f"a notice must hear of every change: `events` lacks {', '.join(lacking)}")
