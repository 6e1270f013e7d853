"""The indexes of a resource: those it declares, and those that follow from what it says.

Each declared query has one: what it filters by, for lists of what is public also what makes a document public and
that it is not deleted, then the sort down to the id. An index that is declared and serves the query takes its place.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from machine.declare import defaults
from machine.declare.lists import compile_owner, compile_queries
from machine.declare.resource import Index, Query
from machine.text.segments import word_fields

Definition = Mapping[str, Any]
Keys = list[tuple[str, Any]]
PUBLIC = Query(frozenset(), ())


def derive_indexes(definition: Definition) -> list[Index]:
    """Return all indexes of a resource: those of `unique` rows in their order, then the declared ones, then the rest.

    MongoDB asks them in the order in which they were built: of several clashes the first row is told.
    """
    found = declared_indexes(definition)
    for wanted in follow(definition):
        if not any(takes_its_place(one, wanted) for one in found):
            found.append(wanted)
    rows = [set(row["fields"]) for row in defaults.said(definition["policy"], "unique")]

    def rank(index: Index) -> int:
        keys = {name for name, _ in index.keys}
        return rows.index(keys) if index.options.get("unique") and keys in rows else len(rows)

    return sorted(found, key=rank)


def declared_indexes(definition: Definition) -> list[Index]:
    """Return the indexes that stand in `mongo_indexes`."""
    found = []
    for name, row in definition.get("mongo_indexes", {}).items():
        keys, options = row if isinstance(row, tuple) else (row, {})
        found.append(Index(name, keys, options, "mongo_indexes"))
    return found


def follow(definition: Definition) -> Iterator[Index]:
    """Yield every index that something in a declaration asks for, also where a declared one does as well."""
    policy = definition["policy"]
    queries = zip(defaults.said(policy, "queries"), compile_queries(policy), strict=True)
    for number, (declared, query) in enumerate(queries):
        index = index_of(definition, declared, query, f"queries.{number}")
        # MongoDB has its own by id.
        if index.keys[0][0] != "_id":
            yield index
    for number, unique in enumerate(defaults.said(policy, "unique")):
        usual, keys = defaults.UNIQUE_INDEX, [(field, 1) for field in unique["fields"]]
        yield Index(unique.get("index", usual), keys, {"unique": True}, f"unique.{number}", usual)
    for field in defaults.said(policy, "states"):
        yield Index(f"{field}_deadline", [(f"{field}_deadline", 1)], {"sparse": True}, f"states.{field}")
    if "POST" in defaults.methods(definition)[0]:
        options = {"unique": True, "sparse": True}
        yield Index("idempotency_key", [("idempotency_key", 1)], options, "resource_methods")
    if searched := defaults.said(policy, "searched"):
        yield index_of_words(definition, searched)
    if defaults.said(policy, "soft_delete"):
        yield Index("deleted", [("deleted_at", 1)], {}, "soft_delete")


def index_of_words(definition: Definition, searched: Mapping[str, int]) -> Index:
    """Return the index of the words in some texts, behind what a search fixes: what makes a document public.

    Words are not stemmed, whatever language a document says it is in: its `language` is no word for MongoDB.
    """
    _, public = equalities(definition["policy"], {"filter": []}, PUBLIC)
    beside = {key: searched[name] for name, key in word_fields(definition["schema"], searched).items()}
    weights = {**searched, **beside}
    keys: Keys = [*((name, 1) for name in public), *((name, "text") for name in weights)]
    options = {"weights": weights, "default_language": "none", "language_override": "search_language"}
    return Index("words", keys, options, "searched")


def index_of(definition: Definition, declared: Mapping[str, Any], query: Query, source: str) -> Index:
    """Return the index that serves a query; `index` in its row names it."""
    asked, public = equalities(definition["policy"], declared, query)
    # What is filtered by one value has no order of its own.
    sort = [key for key in query.sort if key[0] not in asked]
    public = [name for name in public if name not in asked and name != first_of(sort)]
    name = name_of(asked, public, sort)
    fixed = [(field, 1) for field in (*asked, *public)]
    return Index(declared.get("index", name), [*fixed, *sort], {}, source, name, len(fixed))


def equalities(
    policy: Mapping[str, Any], declared: Mapping[str, Any], query: Query
) -> tuple[list[str], list[str]]:
    """Return the fields that a query fixes, and those that are fixed for everyone who reads what is public."""
    folded = {shown: key for key, shown in defaults.said(policy, "folded").items()}
    asked = [folded.get(name, name) for name in declared["filter"]]
    owner, via = compile_owner(defaults.said(policy, "owner"))
    if query.view == "owned" and owner and owner not in asked and not (via and via[0] in query.filter):
        asked.insert(0, owner)
    if query.view != "public":
        return asked, []
    readable = defaults.said(policy, "readable") or {}
    fixed = [name for name, wanted in readable.items() if not isinstance(wanted, Mapping)]
    return asked, [*fixed, *(["deleted_at"] if defaults.said(policy, "soft_delete") else [])]


def name_of(asked: Sequence[str], public: Sequence[str], sort: Keys) -> str:
    """Return the name of a derived index: `by_channel`, `public_by_channel`, `public`, `by_day`."""
    fields = asked or ([] if public else [first_of(sort)])
    words = [*(["public"] if public else []), *(["by", *fields] if fields else [])]
    return "_".join(words).replace(".", "_")


def first_of(sort: Keys) -> str:
    """Return the field that a sort begins with: the id where nothing else has an order."""
    return sort[0][0] if sort else "_id"


def takes_its_place(index: Index, wanted: Index) -> bool:
    """Tell whether an index does all that is wanted of another."""
    if wanted.source.startswith("unique"):
        return bool(index.options.get("unique")) and dict(index.keys).keys() == dict(wanted.keys).keys()
    if wanted.source.startswith("queries"):
        return serves(index, wanted)
    return index.keys == wanted.keys and index.options == wanted.options


def serves(index: Index, wanted: Index) -> bool:
    """Tell whether an index delivers documents as a derived one would: what is fixed in any order, then the sort.

    One that leaves documents out (sparse, partial) does not.
    """
    if {"sparse", "partialFilterExpression"} & index.options.keys():
        return False
    sort = wanted.keys[wanted.fixed :]
    fixed, tail = index.keys[: wanted.fixed], index.keys[wanted.fixed : len(wanted.keys)]
    same_fields = {name for name, _ in fixed} == {name for name, _ in wanted.keys[: wanted.fixed]}
    return same_fields and tail in (sort, [(name, -way) for name, way in sort])
