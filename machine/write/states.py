"""What the declarations say of a change: which moves are legal, what a state needs, and what comes with it.

Every update of a document passes here once, between the read and the compare-and-swap (machine.write.atomic). So
nothing that is declared depends on who makes the change: a route, a hook, a job or Eve.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from machine.declare.match import matches, reach
from machine.declare.resource import Resource, States
from machine.http.problem import Problem

Document = Mapping[str, Any]
Values = dict[str, Any]


def complete(resource: Resource, before: Document, update: Document, moment: datetime) -> Values:
    """Return the update with what is declared to come with it; Problem 409 where it breaks a declared rule."""
    if gone := resource.copies_of(update.get("$unset", ())):
        update = {**update, "$unset": {**update["$unset"], **dict.fromkeys(gone, "")}}
    if not resource.states and not resource.stamps:
        return dict(update)
    values: Values = dict(update.get("$set", {}))
    for states in resource.states.values():
        keep_in_memory(states, before, values)
        follow_move(states, before, values)
    values |= due_stamps(resource, applied(before, {**update, "$set": values}), moment)
    completed = {**update, "$set": values}
    require_invariants(resource, before, applied(before, completed))
    return completed


def applied(before: Document, update: Document) -> Values:
    """Return the document as `$set` and `$unset` would leave it. No declared rule depends on a counter."""
    after = dict(before)
    for path in update.get("$unset", {}):
        put(after, path, None)
    for path, value in update.get("$set", {}).items():
        put(after, path, value)
    return after


def put(document: Values, path: str, value: Any) -> None:
    """Set the value at a dotted path; what is changed on the way is copied first."""
    name, _, rest = path.partition(".")
    if rest:
        inner = document.get(name)
        document[name] = dict(inner) if isinstance(inner, Mapping) else {}
        put(document[name], rest, value)
    else:
        document[name] = value


def keep_in_memory(states: States, before: Document, values: Values) -> None:
    """Lay what a job writes meanwhile where the document comes back to it: the interruption's own words stay."""
    memory = states.remembers.get(before.get(states.field, ""))
    if memory is None or values.get(states.field, before[states.field]) != before[states.field]:
        return
    if before.get(memory.into) is None:
        return
    for name in memory.along:
        if name in values:
            values[f"{memory.into}.{name}"] = values.pop(name)


def follow_move(states: States, before: Document, values: Values) -> None:
    """Refuse an illegal move; remember what a move interrupts, and bring it back at the end."""
    old, new = before.get(states.field), values.get(states.field)
    if new is None or old is None or old == new:
        return
    if new not in states.moves.get(old, {}):
        raise Problem(409, "illegal_state", f"There is no way from {old} to {new}.")
    if new in states.remembers:
        memory = states.remembers[new]
        values[memory.into] = {name: before.get(name) for name in (states.field, *memory.along)}
    if old in states.remembers:
        memory = states.remembers[old]
        if new not in states.ways_back(before):
            raise Problem(409, "illegal_state", f"It goes back to where it was, not to {new}.")
        kept = before.get(memory.into) or {}
        values |= {name: kept.get(name) for name in memory.along} | {memory.into: None}


def due_stamps(resource: Resource, after: Document, moment: datetime) -> Values:
    """Return the stamps that fall due: a document satisfies the filter and has none."""
    return {
        field: moment
        for field, wanted in resource.stamps.items()
        if after.get(field) is None and matches(after, wanted)
    }


def require_invariants(resource: Resource, before: Document, after: Document) -> None:
    """Refuse what takes a document into a state without what it needs, or takes that away from it there.

    Whatever is broken already may still be changed otherwise: nobody could mend it if not.
    """
    for states in resource.states.values():
        state = after.get(states.field)
        wanted = states.invariants.get(state, {}) if state else {}
        lacking = [path for path in wanted if not matches(after, {path: wanted[path]})]
        entered = before.get(states.field) != state
        broken = [path for path in lacking if entered or reach(before, path) != reach(after, path)]
        if broken:
            raise Problem(409, "illegal_state", f"{state} needs: {', '.join(sorted(broken))}.")
