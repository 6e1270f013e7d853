"""Checks the states of a field: known, reachable, with moves and deadlines that make sense."""

from collections.abc import Mapping
from dataclasses import fields as fields_of
from typing import Any

from machine.declare.linting.complaints import Complaints
from machine.declare.resource import WORDS
from settings import Settings

SETTINGS = {field.name for field in fields_of(Settings)}


def check_states(field: str, schema: Mapping[str, Any], states: Mapping[str, Any], place: Complaints) -> None:
    """Check one state field against the choices of its schema."""
    allowed = schema[field].get("allowed", [])
    place.keys(states, {"start", "moves", "deadlines", "invariants", "remembers"})
    place.known(states.get("start"), allowed, "state")
    moves = states.get("moves", {})
    for source, targets in moves.items():
        place.at("moves").known(source, allowed, "state")
        for target, who in targets.items():
            place.at(f"moves.{source}").known(target, allowed, "state")
            for word in who:
                place.at(f"moves.{source}.{target}").known(word, {*WORDS, "server"}, "role")
    check_reachable(allowed, states, place)
    check_deadlines(moves, states.get("deadlines", {}), schema, place.at("deadlines"))
    if states.get("deadlines"):
        # The watchdog tells there why it ended a state.
        place.at("deadlines").known(f"{field}_detail", schema, "field")
    for state in states.get("invariants", {}):
        place.at("invariants").known(state, allowed, "state")
    check_memories(moves, states.get("remembers", {}), place.at("remembers"))


def check_reachable(allowed: list[str], states: Mapping[str, Any], place: Complaints) -> None:
    """Every state can be reached from the start, or is one that documents are born in."""
    seen, ahead = set(), [states.get("start"), *states.get("moves", {})]
    # Where a document may be born in more than one state, the others have moves but no way in.
    while ahead:
        state = ahead.pop()
        if state not in seen:
            seen.add(state)
            ahead += list(states.get("moves", {}).get(state, {}))
    for state in allowed:
        if state not in seen:
            place.say(f"the state {state!r} cannot be reached")


def check_deadlines(
    moves: Mapping[str, Any], deadlines: Mapping[str, Any], schema: Mapping[str, Any], place: Complaints
) -> None:
    """A deadline names a setting, a legal move that ends the state, and fields that are emptied then."""
    for state, rule in deadlines.items():
        inside = place.at(state)
        inside.keys(rule, {"after", "then", "code", "clears"})
        inside.known(rule.get("after"), SETTINGS, "setting")
        if rule.get("then") not in moves.get(state, {}):
            inside.say(f"{rule.get('then')!r} is no legal move from {state}")
        for name in rule.get("clears", []):
            inside.at("clears").known(name, schema, "field")


def check_memories(moves: Mapping[str, Any], memories: Mapping[str, Any], place: Complaints) -> None:
    """A state that remembers what it interrupted has a way back to each state that leads to it, and to no other."""
    for state, words in memories.items():
        inside = place.at(state)
        inside.keys(words, {"into", "along"})
        if "into" not in words:
            inside.say("must say `into` which field")
        from_here, to_here = set(moves.get(state, {})), {one for one, ways in moves.items() if state in ways}
        for one in sorted(to_here - from_here):
            inside.say(f"there is no way back to {one!r}")
        for one in sorted(from_here - to_here):
            inside.say(f"{one!r} is no state that it interrupts")
