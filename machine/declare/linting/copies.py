"""Checks what a policy wants kept beside a field: its folded copy, and the words by which search finds it."""

from collections.abc import Mapping

from machine.declare.linting.complaints import Complaints
from machine.declare.linting.erasure import Subject


def check_folded(subject: Subject, folded: Mapping[str, str], place: Complaints) -> None:
    """Hidden copy to the field it folds."""
    for key, shown in folded.items():
        subject.has(key, place)
        subject.has(shown, place)


def check_searched(subject: Subject, searched: Mapping[str, int], place: Complaints) -> None:
    """Text to how much a hit there weighs."""
    for name, weight in searched.items():
        if not place.known(name, subject.schema, "field"):
            continue
        rules = subject.schema[name]
        if "string" not in (rules.get("type"), rules.get("schema", {}).get("type")):
            place.say(f"{name!r} is no text")
        if type(weight) is not int or not 0 < weight < 1000:
            place.at(name).say("must be a weight from 1 to 999")
