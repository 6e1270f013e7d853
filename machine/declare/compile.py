"""Turn a declaration into a compiled Resource; what it does not say is filled in from `defaults`."""

from collections.abc import Mapping
from typing import Any

from machine.declare import defaults
from machine.declare.derived import derive_indexes
from machine.declare.lists import compile_owner, compile_queries
from machine.declare.notice import compile_notices
from machine.declare.resource import (
    META,
    RANKS,
    Action,
    Count,
    Field,
    Memory,
    Mount,
    Resource,
    States,
    ToldReference,
    Unique,
)


def compile_resource(name: str, definition: dict[str, Any]) -> Resource:
    """Compile one declaration. It must have passed the lint: wrong words raise KeyError here."""
    policy, schema, said = definition["policy"], definition["schema"], defaults.said
    references = compile_references(schema)
    owner, via = compile_owner(said(policy, "owner"))
    return Resource(
        name=name,
        definition=definition,
        fields=compile_fields(schema, said(policy, "fields"), policy),
        references=references,
        told_references={
            field: ToldReference(words["by"], words["of"]) for field, words in said(policy, "references").items()
        },
        owner=owner,
        owner_via=via,
        people_only=said(policy, "people_only"),
        about=said(policy, "about"),
        roles=compile_roles(definition),
        overseers=compile_overseers(said(policy, "roles")),
        readable=said(policy, "readable"),
        readable_by_link=said(policy, "readable_by_link"),
        readable_with=said(policy, "readable_with"),
        readable_while=said(policy, "readable_while"),
        queries=compile_queries(policy),
        embeds=said(policy, "embeds"),
        counts=compile_counts(said(policy, "counts")),
        states={field: compile_states(field, states) for field, states in said(policy, "states").items()},
        stamps=said(policy, "stamps"),
        actions={key: compile_action(key, action) for key, action in said(policy, "actions").items()},
        mounts=[compile_mount(field, mount, references) for field, mount in said(policy, "mounts").items()],
        unique=[compile_unique(unique) for unique in said(policy, "unique")],
        folded=said(policy, "folded"), searched=said(policy, "searched"),
        on_parent_delete=said(policy, "on_parent_delete"),
        beside=said(policy, "beside"),
        keep_deleted=said(policy, "soft_delete").get("keep"),
        cache=said(policy, "cache"), rate=said(policy, "rate"),
        events=frozenset(said(policy, "events")),
        notices=compile_notices(said(policy, "notices")),
        start_values=compile_start(schema, policy),
        indexes=derive_indexes(definition),
    )  # fmt: skip


def compile_references(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return field -> the resource that it refers to."""
    return {
        field: rules["data_relation"]["resource"]
        for field, rules in schema.items()
        if "data_relation" in rules
    }


def compile_fields(
    schema: Mapping[str, Any], declared: Mapping[str, Any], policy: Mapping[str, Any]
) -> dict[str, Field]:
    """Give each field its readers and writers: everyone reads, whoever may write the document writes."""
    fields = {
        name: Field(name, type_, frozenset(["anyone"]), frozenset(["server"]), nullable=False)
        for name, type_ in META.items()
    }
    for name, rules in schema.items():
        words = {**defaults.field(rules), **declared.get(name, {})}
        fields[name] = Field(
            name,
            rules.get("type", "any"),
            frozenset(words["read"]),
            frozenset(words["write"]),
            words["pii"] is True,
            tuple(words["pii"] or ()) if words["pii"] is not True else (),
            not rules.get("required", False),
        )
    if policy.get("soft_delete"):
        owner_only = frozenset(["owner", "moderator"])
        fields["deleted_at"] = Field("deleted_at", "datetime", owner_only, frozenset(["server"]))
    return fields


def compile_roles(definition: dict[str, Any]) -> dict[str, frozenset[str]]:
    """Give each rank its methods and those of the ranks below; `owner` and `host` stand apart."""
    words = {**defaults.roles(definition), **defaults.said(definition["policy"], "roles")}
    roles: dict[str, frozenset[str]] = {}
    so_far: set[str] = set()
    for rank in RANKS:
        so_far |= set(words[rank])
        roles[rank] = frozenset(so_far)
    return roles | {relation: frozenset(words[relation]) for relation in ("owner", "host")}


def compile_overseers(declared: Mapping[str, list[str]]) -> frozenset[str]:
    """Name the ranks that read every document: those above `user` whose GET is declared, and the ones above."""
    above = RANKS[2:]
    first = next((i for i, rank in enumerate(above) if "GET" in declared.get(rank, [])), len(above))
    return frozenset(above[first:])


def compile_counts(declared: Mapping[str, Any]) -> list[Count]:
    """Read `{field: counter}`, `{field: {"counter", "when"}}` or a list of those."""
    counts = []
    for of, entry in declared.items():
        for one in entry if isinstance(entry, list) else [entry]:
            words: Mapping[str, Any] = {"counter": one} if isinstance(one, str) else one
            counts.append(Count(of, words["counter"], words.get("when", {})))
    return counts


def compile_states(field: str, declared: Mapping[str, Any]) -> States:
    """Compile the states of one field."""
    moves = {a: {b: tuple(who) for b, who in to.items()} for a, to in declared["moves"].items()}
    remembers = {
        state: Memory(words["into"], tuple(words.get("along", [])))
        for state, words in declared.get("remembers", {}).items()
    }
    words = {**defaults.STATES, **declared}
    return States(field, declared["start"], moves, words["deadlines"], words["invariants"], remembers)


def compile_action(name: str, declared: Mapping[str, Any]) -> Action:
    """Compile one action."""
    who = frozenset(declared["who"])
    when, path = declared.get("when", {}), declared.get("path", name)
    return Action(name, declared["method"], declared["title"], who, when, path)


def compile_mount(field: str, declared: str | Mapping[str, Any], references: Mapping[str, str]) -> Mount:
    """Compile one sub-resource URL."""
    words: Mapping[str, Any] = {"url": declared} if isinstance(declared, str) else declared
    return Mount(field, words["url"], words.get("filter", {}), references[field])


def compile_unique(declared: Mapping[str, Any]) -> Unique:
    """Compile one uniqueness; clients know it by its last field unless `shown` names another."""
    fields = tuple(declared["fields"])
    return Unique(fields, declared["reason"], declared.get("shown", fields[-1]))


def compile_start(schema: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a new document holds before anyone writes: states at their start, counters at zero."""
    start: dict[str, Any] = {field: states["start"] for field, states in policy.get("states", {}).items()}
    for name, rules in schema.items():
        if "start" in rules.get("meta", {}):
            start[name] = rules["meta"]["start"]
    if policy.get("soft_delete"):
        start["deleted_at"] = None
    return start
