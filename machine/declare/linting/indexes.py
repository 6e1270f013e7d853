"""Checks the indexes of a resource, declared and derived: names that clash, and rows that only repeat a derived one."""

from collections.abc import Mapping
from typing import Any

from machine.declare.derived import declared_indexes, derive_indexes, follow, takes_its_place
from machine.declare.linting.complaints import Complaints
from machine.declare.linting.erasure import check_fate_indexes
from machine.declare.linting.restated import LEAVE_OUT
from machine.declare.linting.subject import Subject
from machine.declare.resource import Index


def check_indexes(subject: Subject, file: Complaints) -> None:
    """Check all indexes of a resource."""
    definition = subject.definitions[subject.name]
    indexes, place = derive_indexes(definition), file.at("policy")
    check_repeated(definition, file)
    check_named(definition, indexes, place)
    check_names(indexes, file)
    for index in indexes:
        lists = [name for name, _ in index.keys if subject.schema.get(name, {}).get("type") == "list"]
        if len(lists) > 1:
            file.at(index.comes_from).say(
                f"an index holds one list at most, and {' and '.join(map(repr, lists))} are both lists"
            )
    check_fate_indexes(subject, indexes, place.at("on_parent_delete"))


def check_repeated(definition: Mapping[str, Any], file: Complaints) -> None:
    """A declared index that is derived just so says nothing."""
    for name, row in definition.get("mongo_indexes", {}).items():
        if isinstance(row, tuple) and not row[1]:
            file.at(f"mongo_indexes.{name}").say("has no options: write the keys alone")
    for index in declared_indexes(definition):
        for wanted in follow(definition):
            if index.keys == wanted.keys and index.options == wanted.options:
                named = (
                    "" if index.name == wanted.name else f" (with `index` in that row, if as {index.name!r})"
                )
                file.at(index.comes_from).say(f"is derived from {wanted.comes_from}: leave it out{named}")
                break


def check_named(definition: Mapping[str, Any], indexes: list[Index], place: Complaints) -> None:
    """`index` in a row names the index that is derived from it, and otherwise than it would be called anyway."""
    derived = {index.source: index for index in indexes}
    wanted = {index.source: index for index in follow(definition)}
    for kind in ("queries", "unique"):
        for number, row in enumerate(definition["policy"].get(kind, [])):
            source, inside = f"{kind}.{number}", place.at(f"{kind}.{number}.index")
            if "index" not in row:
                continue
            if source not in wanted:
                inside.say("names nothing: MongoDB's own index by id serves it")
            elif source not in derived:
                other = next(one for one in indexes if takes_its_place(one, wanted[source]))
                inside.say(f"names nothing: {other.name!r} of {other.comes_from} takes its place")
            elif row["index"] == derived[source].usual:
                inside.say(f"{row['index']!r} {LEAVE_OUT}")


def check_names(indexes: list[Index], file: Complaints) -> None:
    """No two indexes of one name, nor two on the same keys."""
    for number, index in enumerate(indexes):
        for other in indexes[:number]:
            if index.name == other.name:
                file.at(index.comes_from).say(
                    f"its index would be called {index.name!r} like that of {other.comes_from}: name it with `index`"
                )
            elif index.keys == other.keys:
                file.at(index.comes_from).say(f"its index has the same keys as {other.name!r}")
