"""Checks what a declaration says of leaving: what is personal, and what becomes of it when its person goes."""

from collections.abc import Iterator, Mapping
from typing import Any

from machine.declare.linting.complaints import Complaints
from machine.declare.linting.subject import Subject
from machine.declare.resource import FATES, Index

# Fates after which the document is still there.
KEPT = FATES - {"cascade"}
BLANKED = {"blank", "anonymize"}
CLEARED = {"orphan", "anonymize"}


def check_pii(rules: Mapping[str, Any], pii: bool | list[str], place: Complaints) -> None:
    """True, False, or the names of those parts of an object that are personal."""
    if isinstance(pii, list):
        inner = rules.get("schema") or {}
        for part in pii:
            if not rules.get("allow_unknown"):
                place.known(part, inner, "field")
    elif not isinstance(pii, bool):
        place.say("must be true, false, or a list of inner fields")


def check_parent_delete(subject: Subject, fates: Mapping[str, str], place: Complaints) -> None:
    """Reference to what happens when that goes."""
    for field, fate in fates.items():
        inside = place.at(field)
        if subject.is_reference(field, place) and inside.known(fate, FATES, "fate"):
            check_fate(subject, field, fate, inside)


def check_fate(subject: Subject, field: str, fate: str, place: Complaints) -> None:
    """What a fate needs: something personal to blank, and room for what it clears."""
    if fate in BLANKED and not any(words.get("pii") for words in subject.policy.get("fields", {}).values()):
        place.say(f"{fate!r} clears what is personal, and no field is (`fields.*.pii`)")
    if fate in CLEARED and not subject.schema[field].get("nullable"):
        place.say(f"{fate!r} clears the reference, so it must be nullable")


def check_fate_indexes(subject: Subject, indexes: list[Index], place: Complaints) -> None:
    """What a fate needs of the indexes: one that finds the documents, none in which two cleared ones would clash."""
    for field, fate in subject.policy.get("on_parent_delete", {}).items():
        if fate != "keep" and not any(index.keys[0][0] == field for index in indexes):
            place.at(field).say(
                f"no index begins with {field!r}: finding what is meant would read everything"
            )
        for index in indexes if fate in CLEARED else ():
            names = [name for name, _ in index.keys]
            if (
                index.options.get("unique")
                and field in names
                and "partialFilterExpression" not in index.options
            ):
                place.at(field).say(f"two that are cleared would clash in the unique index on {names}")


def check_beside(subject: Subject, collections: Mapping[str, str], place: Complaints) -> None:
    """Collection to the field that holds the document's id."""
    for collection, field in collections.items():
        if collection in subject.definitions:
            place.say(f"{collection!r} is a resource: say it there, in `on_parent_delete`")
        if not isinstance(field, str) or not field:
            place.at(collection).say("must name the field that holds the id")


def check_erasure(subject: Subject, place: Complaints) -> None:
    """Nothing of a person stays by accident: each reference to one has a fate, each text that is kept a reason."""
    fates = subject.policy.get("on_parent_delete", {})
    people = {name for name, one in subject.definitions.items() if one["policy"].get("owner") == "_id"}
    for field in subject.schema:
        if people & set(subject.targets(field)) and field not in fates:
            place.at("on_parent_delete").say(f"{field!r} leads to a person and does not say what follows")
    fate = fate_of_owner(subject)
    if fate is None:
        return
    if fate not in BLANKED and any(words.get("pii") for words in subject.policy.get("fields", {}).values()):
        place.at("on_parent_delete").say(
            f"it holds personal data, which {fate!r} for {owner_field(subject)!r} would leave:"
            " `cascade`, `blank` or `anonymize`"
        )
    for field in kept_texts(subject):
        if "pii" not in subject.policy.get("fields", {}).get(field, {}):
            place.at(f"fields.{field}").say("its author may leave while it is kept: say whether it is `pii`")


def fate_of_owner(subject: Subject) -> str | None:
    """Return what becomes of a document whose owner leaves, None where it goes too."""
    owner = owner_field(subject)
    # Without an owner the words of `on_parent_delete` for each person are all there is.
    fate = subject.policy.get("on_parent_delete", {}).get(owner, "keep") if owner else None
    return fate if owner != "_id" and fate in KEPT else None


def kept_texts(subject: Subject) -> Iterator[str]:
    """Yield the texts that may stay when their author left."""
    return texts_of(subject) if fate_of_owner(subject) else iter(())


def owner_field(subject: Subject) -> str | None:
    """Return the field that holds the owner; `owner` where it is found by a path."""
    path: str | None = subject.policy.get("owner")
    return "owner" if path and "." in path else path


def texts_of(subject: Subject) -> Iterator[str]:
    """Yield the fields in which people write what they like."""
    for field, rules in subject.schema.items():
        writers = subject.policy.get("fields", {}).get(field, {}).get("write")
        if not rules.get("readonly") and writers != ["server"] and has_text(rules):
            yield field


def has_text(rules: Mapping[str, Any]) -> bool:
    """Tell whether there is room for a text of one's own, also further in."""
    if rules.get("type") == "string":
        return "allowed" not in rules
    inner = rules.get("schema") or {}
    parts = [inner] if rules.get("type") == "list" else list(inner.values())
    return any(has_text(part) for part in parts)
