"""Turn a declaration into a compiled Resource; every default of the vocabulary is stated here."""

from collections.abc import Mapping
from typing import Any

from machine.declare.resource import (
    DEFAULT_ROLES,
    META,
    RANKS,
    Action,
    Count,
    Field,
    Memory,
    Mount,
    Query,
    Resource,
    States,
    ToldReference,
    Unique,
    read_sort,
)


def compile_resource(name: str, definition: dict[str, Any]) -> Resource:
    """Compile one declaration. It must have passed the lint: wrong words raise KeyError here."""
    policy, schema = definition["policy"], definition["schema"]
    references = {
        field: rules["data_relation"]["resource"]
        for field, rules in schema.items()
        if "data_relation" in rules
    }
    owner, via = compile_owner(policy.get("owner"))
    return Resource(
        name=name,
        definition=definition,
        fields=compile_fields(schema, policy.get("fields", {}), policy),
        references=references,
        told_references={
            field: ToldReference(words["by"], words["of"]) for field, words in policy.get("references", {}).items()
        },
        owner=owner,
        owner_via=via,
        people_only=policy.get("people_only", False),
        about=policy.get("about"),
        roles=compile_roles(policy.get("roles", {})),
        overseers=compile_overseers(policy.get("roles", {})),
        readable=policy.get("readable"),
        readable_by_link=policy.get("readable_by_link"),
        readable_with=policy.get("readable_with"),
        readable_while=policy.get("readable_while", {}),
        queries=compile_queries(policy),
        embeds=policy.get("embeds", {}),
        counts=compile_counts(policy.get("counts", {})),
        states={field: compile_states(field, states) for field, states in policy.get("states", {}).items()},
        stamps=policy.get("stamps", {}),
        actions={key: compile_action(key, action) for key, action in policy.get("actions", {}).items()},
        mounts=[compile_mount(field, mount, references) for field, mount in policy.get("mounts", {}).items()],
        unique=[compile_unique(unique) for unique in policy.get("unique", [])],
        folded=policy.get("folded", {}),
        on_parent_delete=policy.get("on_parent_delete", {}),
        beside=policy.get("beside", {}),
        keep_deleted=policy.get("soft_delete", {}).get("keep"),
        cache=policy.get("cache", 0),
        rate=policy.get("rate"),
        events=frozenset(policy.get("events", [])),
        start_values=compile_start(schema, policy),
    )  # fmt: skip


def compile_owner(path: str | None) -> tuple[str | None, tuple[str, str] | None]:
    """Read `owner` or `channel.owner`: the field stamped on the document, and the way to it if indirect."""
    if path and "." in path:
        reference, theirs = path.split(".")
        return "owner", (reference, theirs)
    return path, None


def compile_fields(
    schema: Mapping[str, Any], declared: Mapping[str, Any], policy: Mapping[str, Any]
) -> dict[str, Field]:
    """Give each field its readers and writers: everyone reads, whoever may write the document writes."""
    fields = {
        name: Field(name, type_, frozenset(["anyone"]), frozenset(["server"]), nullable=False)
        for name, type_ in META.items()
    }
    for name, rules in schema.items():
        words = declared.get(name, {})
        write = words.get("write", ["server"] if rules.get("readonly") else ["anyone"])
        fields[name] = Field(
            name,
            rules.get("type", "any"),
            frozenset(words.get("read", ["anyone"])),
            frozenset(write),
            words.get("pii") is True,
            tuple(words.get("pii") or ()) if words.get("pii") is not True else (),
            not rules.get("required", False),
        )
    if policy.get("soft_delete"):
        owner_only = frozenset(["owner", "moderator"])
        fields["deleted_at"] = Field("deleted_at", "datetime", owner_only, frozenset(["server"]))
    return fields


def compile_roles(declared: Mapping[str, list[str]]) -> dict[str, frozenset[str]]:
    """Give each rank its methods and those of the ranks below; `owner` stands apart."""
    roles, so_far = {}, set()
    for rank in RANKS:
        so_far |= set(declared.get(rank, DEFAULT_ROLES.get(rank, [])))
        roles[rank] = frozenset(so_far)
    roles["owner"] = frozenset(declared.get("owner", DEFAULT_ROLES["owner"]))
    roles["host"] = frozenset(declared.get("host", []))
    return roles


def compile_overseers(declared: Mapping[str, list[str]]) -> frozenset[str]:
    """Name the ranks that read every document: those above `user` whose GET is declared, and the ones above."""
    above = RANKS[2:]
    first = next((i for i, rank in enumerate(above) if "GET" in declared.get(rank, [])), len(above))
    return frozenset(above[first:])


def compile_queries(policy: Mapping[str, Any]) -> list[Query]:
    """Compile the declared pairs; where nothing is readable by everyone, lists are of one's own."""
    view = "owned" if policy.get("readable") is None else "public"
    return [
        Query(frozenset(q["filter"]), read_sort(q["sort"]), q.get("view", view))
        for q in policy.get("queries", [])
    ]


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
    invariants = declared.get("invariants", {})
    return States(field, declared["start"], moves, declared.get("deadlines", {}), invariants, remembers)


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
