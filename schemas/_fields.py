"""Words for declarations: each returns the Cerberus rules of one field, or one row of a policy, in a line."""

from typing import Any

Rules = dict[str, Any]
# What patterns take, in words: who sends something else is told.
NAME_FORM = "made of the letters a to z, digits, `_`, `.` and `-`, with a letter or digit first"
HTTPS_FORM = "a URL that begins with https:// and holds no spaces, quotes or angle brackets"
# What is shown of a person, and of a channel, wherever a document names one.
PERSON = ["username", "display_name", "avatar"]
CHANNEL = ["handle", "name", "avatar"]


def text(
    *, max: int, min: int = 0, pattern: str = "", form: str = "", required: bool = False, **rules: Any
) -> Rules:
    """Return rules for a string of `min` to `max` characters that a program makes; `pattern` is of the whole text.

    `form` says in words what a pattern takes: who sends something else is told that it must be so. What people
    type is `line`, `name`, `prose`, `tag`, `code`, `handle`, `address`, `language` or `verbatim`
    (machine/text/kinds.py).
    """
    rules = {"type": "string", "maxlength": max, **rules}
    if min:
        rules["minlength"] = min
    if pattern:
        rules["regex"] = pattern
        rules["meta"] = {**rules.get("meta", {}), "form": form}
    return settle(rules, required)


def line(*, max: int, **rules: Any) -> Rules:
    """Return rules for one line that people type: composed, trimmed, something to be seen, no controls."""
    return text(max=max, **of_kind("line"), **rules)


def name(*, max: int, **rules: Any) -> Rules:
    """Return rules for a name that is shown: a line that must not pass for somebody else (machine/text/names.py)."""
    return text(max=max, **of_kind("name"), **rules)


def prose(*, max: int, **rules: Any) -> Rules:
    """Return rules for what people write in one or more lines: composed, no controls."""
    return text(max=max, **of_kind("prose"), **rules)


def tag(*, max: int, **rules: Any) -> Rules:
    """Return rules for a word to find things by: a line, compared without case, width and the # before it."""
    return text(max=max, **of_kind("tag"), **rules)


def code(*, max: int, **rules: Any) -> Rules:
    """Return rules for a word that programs read, such as a URL or the code of a language: no spaces in it."""
    return text(max=max, **of_kind("code"), **rules)


def handle(*, max: int, **rules: Any) -> Rules:
    """Return rules for a name in URLs: a code that must not pass for somebody else (machine/text/names.py)."""
    return text(max=max, **of_kind("handle"), **rules)


def address(*, max: int, **rules: Any) -> Rules:
    """Return rules for an e-mail address, compared in one form however it is written (clients/addresses.py)."""
    return text(max=max, **of_kind("address"), **rules)


def verbatim(*, max: int, **rules: Any) -> Rules:
    """Return rules for what is taken just as it is typed: a password, the name of a file."""
    return text(max=max, **of_kind("verbatim"), **rules)


def of_kind(word: str) -> Rules:
    """Return the rules by which a validator knows a kind of text."""
    return {"coerce": word, "check_with": word}


def language(**rules: Any) -> Rules:
    """Return rules for the tag of a language by BCP 47; `EN` and `en_us` are folded to `en` and `en-US`."""
    return text(max=35, **of_kind("language"), **rules)


def choice(*allowed: str, required: bool = False, **rules: Any) -> Rules:
    """Return rules for one word out of `allowed`; the first is the default unless it is required."""
    rules = {"type": "string", "allowed": list(allowed), **rules}
    if not required and not rules.get("readonly"):
        rules.setdefault("default", allowed[0])
    return settle(rules, required)


def one_of(*allowed: str, **rules: Any) -> Rules:
    """Return rules for one word out of `allowed` and no default: for the fields of nested objects."""
    return settle({"type": "string", "allowed": list(allowed), **rules}, False)


def ref(resource: str, *, required: bool = False, **rules: Any) -> Rules:
    """Return rules for the id of a document of `resource`, which the writer must be able to read."""
    relation = {"resource": resource, "field": "_id"}
    return settle({"type": "objectid", "data_relation": relation, **rules}, required)


def whole(*, min: int = 0, max: int = 2**53, required: bool = False, **rules: Any) -> Rules:
    """Return rules for an integer."""
    return settle({"type": "integer", "min": min, "max": max, **rules}, required)


def number(*, min: float = 0, max: float = 1e12, required: bool = False, **rules: Any) -> Rules:
    """Return rules for a finite number."""
    return settle({"type": "number", "min": min, "max": max, **rules}, required)


def flag(**rules: Any) -> Rules:
    """Return rules for true or false."""
    return {"type": "boolean", **rules}


def moment(**rules: Any) -> Rules:
    """Return rules for a date and time: read as RFC 3339 writes them, rendered in UTC to the second."""
    return settle({"type": "datetime", "nullable": True, **rules}, False)


def listing(item: Rules, *, max: int, **rules: Any) -> Rules:
    """Return rules for a list of at most `max` items, none of them null."""
    return {"type": "list", "schema": {**item, "nullable": False}, "maxlength": max, **rules}


def mapping(schema: dict[str, Rules], **rules: Any) -> Rules:
    """Return rules for a nested object with these fields."""
    return {"type": "dict", "schema": schema, **rules}


def counters(*names: str, kept_by_job: tuple[str, ...] = ()) -> Rules:
    """Return rules for the counters of a resource: those that `counts` raise, and those that a job keeps."""
    zeros = dict.fromkeys([*names, *kept_by_job], 0)
    meta = {"start": zeros, "kept_by_job": kept_by_job}
    return mapping({name: whole(readonly=True) for name in zeros}, readonly=True, meta=meta)


def settle(rules: Rules, required: bool) -> Rules:
    """Mark rules as required, or as nullable where nothing else says what absence means."""
    if required:
        rules["required"] = True
    elif "default" not in rules and not rules.get("readonly"):
        rules.setdefault("nullable", True)
    return rules


def action(method: str, title: str, *who: str, when: Rules | None = None, path: str | None = None) -> Rules:
    """Return a named act on one document: who may do it, and when; at `path` where that is not its name."""
    more = {"when": when, "path": path}
    return {"method": method, "title": title, "who": list(who)} | {k: v for k, v in more.items() if v}


def each(*names: str, **words: list[str]) -> dict[str, Rules]:
    """Return the same row of `fields` for each of these: who reads them, who writes them."""
    return {name: dict(words) for name in names}


def keys(*names: str) -> list[tuple[str, int]]:
    """Return the keys of an index, written as sorts are: `-` for descending."""
    return [(name.lstrip("-"), -1 if name.startswith("-") else 1) for name in names]


def expiry(field: str, seconds: int = 0) -> tuple[list[tuple[str, int]], Rules]:
    """Return an index by which MongoDB removes a document so long after a moment."""
    return keys(field), {"expireAfterSeconds": seconds}


def unique(*names: str, where: Rules | None = None, **options: Any) -> tuple[list[tuple[str, int]], Rules]:
    """Return a unique index, only of the documents that satisfy `where` if there is one."""
    partial = {"partialFilterExpression": where} if where else {}
    return keys(*names), {"unique": True, **partial, **options}
