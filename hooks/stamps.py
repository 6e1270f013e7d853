"""Stamps: what the server itself writes into a new document, and what the answer needs to remember."""

from typing import Any

from machine.current import app, g
from machine.http.problem import Problem

Documents = list[dict[str, Any]]


def prepare(resource: str, documents: Documents) -> None:
    """Stamp owners, start values and case-folded copies."""
    held = g.write.key
    for number, document in enumerate(documents):
        stamp_owner(resource, document)
        app().store.prepare(resource, document)
        if held is not None:
            # The effect carries the key, so that whoever takes over from a crash finds it done.
            document["idempotency_key"] = f"{held.id}:{number}"


def stamp_owner(resource: str, document: dict[str, Any]) -> None:
    """Make the caller the owner; what it refers to for its ownership must be theirs too."""
    compiled = app().registry[resource]
    if compiled.owner is None or compiled.owner == "_id":
        return
    document[compiled.owner] = g.caller.id
    if compiled.owner_via and document.get(compiled.owner_via[0]) is not None:
        reference, theirs = compiled.owner_via
        parent = app().store.get(compiled.references[reference], document[reference])
        if parent is None or parent[theirs] != g.caller.id:
            raise Problem(403, "not_owner", f"The {reference} is not yours.")


def remember(resource: str, documents: Documents) -> None:
    """Keep the inserted documents for the answer, so that nothing is read again."""
    g.write.inserted = documents
