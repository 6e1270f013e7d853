"""`run.py policy`: who may do what to a resource, as the compiled policy has it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from commands._tables import make_console, make_table

if TYPE_CHECKING:
    from rich.table import Table

    from machine.declare.resource import Field, Resource, States

CALLERS = ("anonymous", "user", "owner", "host", "moderator", "admin")
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
YES = "yes"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.option(
    "--expanded", is_flag=True, help="Also what was not said: defaults, derived fields and indexes."
)
@click.argument("resource", default="")
def cli(as_json: bool, expanded: bool, resource: str) -> None:
    """Show who may do what: of all resources, or of RESOURCE with its fields, actions and lists.

    \b
    Examples:
      python run.py policy
      python run.py policy videos
      python run.py policy videos --expanded
      python run.py policy videos --json
    """
    from commands._expanded import describe_expanded, expanded_tables
    from machine.declare.registry import Registry

    if expanded and not (resource or as_json):
        raise click.UsageError("--expanded tells of one RESOURCE, or of all with --json.")
    registry = Registry.load()
    if resource and resource not in registry:
        known = ", ".join(one.name for one in registry)
        raise click.BadParameter(f"{resource!r} is none of: {known}", param_hint="RESOURCE")
    chosen = [registry[resource]] if resource else list(registry)
    if as_json:
        told = {one.name: describe(one) | (describe_expanded(one) if expanded else {}) for one in chosen}
        click.echo(json.dumps(told, indent=2, default=str))
    elif resource:
        show_one(chosen[0], expanded_tables(chosen[0]) if expanded else [])
    else:
        show_all(chosen)


def describe(resource: "Resource") -> dict[str, Any]:
    """Return the compiled policy of a resource as data."""
    return {
        "owner": resource.owner,
        "people_only": resource.people_only,
        "about": resource.about,
        "readable": resource.readable,
        "readable_by_link": resource.readable_by_link,
        "readable_with": resource.readable_with,
        "methods": {caller: methods_of(resource, caller) for caller in CALLERS},
        "states": {states.field: describe_states(states) for states in resource.states.values()},
        "stamps": resource.stamps,
        "actions": {
            action.name: {"method": action.method, "who": sorted(action.who), "when": dict(action.when)}
            for action in resource.actions.values()
        },
        "fields": {
            field.name: {"read": sorted(field.read), "write": sorted(field.write), "personal": field.pii}
            for field in resource.fields.values()
        },
        "lists": [
            {"filter": sorted(query.filter), "sort": query.sort_text, "view": query.view}
            for query in resource.queries
        ],
    }  # fmt: skip


def describe_states(states: "States") -> dict[str, Any]:
    """Return the states of one field as data."""
    return {
        "start": states.start,
        "moves": states.moves,
        "deadlines": states.deadlines,
        "invariants": states.invariants,
        "remembers": {
            state: {"into": one.into, "along": one.along} for state, one in states.remembers.items()
        },
    }


def methods_of(resource: "Resource", caller: str) -> list[str]:
    """Return the methods that the resource offers and this caller may use."""
    offered = {method for methods in resource.methods for method in methods}
    return [method for method in METHODS if method in offered & resource.roles[caller]]


def show_all(resources: list["Resource"]) -> None:
    """Print one line per resource: the methods of each caller."""
    table = make_table("resource", *CALLERS)
    for resource in resources:
        table.add_row(resource.name, *(" ".join(methods_of(resource, caller)) or "-" for caller in CALLERS))
    make_console().print(table)


def show_one(resource: "Resource", more: "list[Table]") -> None:
    """Print everything about one resource, and more of these tables."""
    console = make_console()
    console.print(f"[bold]{resource.name}[/]: {readable_in_words(resource)}\n")
    for table in (
        methods_table(resource),
        *(states_table(states) for states in resource.states.values()),
        stamps_table(resource),
        actions_table(resource),
        fields_table(resource),
        lists_table(resource),
        *more,
    ):
        if table.row_count:
            console.print(table)
            console.print()


def readable_in_words(resource: "Resource") -> str:
    """Say which documents everyone may read."""
    if resource.readable is None:
        words = "read by nobody but its owner and those above"
    elif not resource.readable:
        words = "read by everyone"
    else:
        words = f"read by everyone where {condition_in_words(resource.readable)}"
    if resource.readable_by_link:
        words += f"; by whoever has the link where {condition_in_words(resource.readable_by_link)}"
    if resource.readable_with:
        words += f"; only where its {resource.readable_with} may be read"
    return words


def methods_table(resource: "Resource") -> "Table":
    """Return method by caller."""
    table = make_table("method", *CALLERS)
    offered = {method for methods in resource.methods for method in methods}
    for method in METHODS:
        if method in offered:
            cells = (YES if method in resource.roles[caller] else "-" for caller in CALLERS)
            table.add_row(method, *cells)
    return table


def states_table(states: "States") -> "Table":
    """Return the states of a field: where each leads and who leads it there, what it needs, what it remembers."""
    table = make_table(states.field, "moves", "needs", "remembers")
    reached = {state for moves in states.moves.values() for state in moves}
    for state in sorted({states.start, *states.moves, *reached}):
        moves = (f"{to} ({', '.join(who)})" for to, who in states.moves.get(state, {}).items())
        needs = condition_in_words(states.invariants[state]) if state in states.invariants else ""
        memory = states.remembers.get(state)
        kept = ", ".join((f"the {states.field} before", *memory.along)) if memory else ""
        table.add_row(state, ", ".join(moves), needs, kept)
    return table


def stamps_table(resource: "Resource") -> "Table":
    """Return the moments that the server notes, and what they are of."""
    table = make_table("stamp", "when first")
    for field, wanted in resource.stamps.items():
        table.add_row(field, condition_in_words(wanted))
    return table


def actions_table(resource: "Resource") -> "Table":
    """Return the actions, who may do them, and when."""
    table = make_table("action", "method", "who", "when")
    for action in resource.actions.values():
        table.add_row(
            action.name, action.method, ", ".join(sorted(action.who)), condition_in_words(action.when)
        )
    return table


def fields_table(resource: "Resource") -> "Table":
    """Return the fields, who reads and who writes them."""
    table = make_table("field", "type", "read by", "written by", "personal")
    for field in resource.fields.values():
        table.add_row(
            field.name, str(field.type), words_in(field.read), writers_of(field), YES if field.pii else ""
        )
    return table


def lists_table(resource: "Resource") -> "Table":
    """Return the declared pairs of filter and sort."""
    table = make_table("list by", "sort", "view")
    for query in resource.queries:
        table.add_row(", ".join(sorted(query.filter)) or "nothing", query.sort_text, query.view)
    return table


def writers_of(field: "Field") -> str:
    """Say who writes a field; `anyone` means whoever may write the document."""
    return (
        words_in(field.write)
        .replace("anyone", "who writes the document")
        .replace("create", "its creator, once")
    )


def words_in(words: frozenset[str]) -> str:
    """Write a set of words as a list."""
    return ", ".join(sorted(words))


def condition_in_words(condition: Mapping[str, Any]) -> str:
    """Write a declared filter as people say it."""
    parts = []
    for name, value in condition.items():
        if isinstance(value, Mapping):
            shown = "is set" if value in ({"$ne": None}, {"$exists": True}) else f"is {dict(value)}"
            parts.append(f"{name} {shown}")
        else:
            several = value if isinstance(value, list | tuple) else [value]
            parts.append(f"{name} is {' or '.join(str(one) for one in several)}")
    return " and ".join(parts) or "always"
