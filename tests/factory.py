"""Makes a valid document of any resource from its schema; what a schema cannot say stands in OVERRIDES."""

import itertools
import re
import secrets
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from machine.declare.registry import read_definitions
from machine.http.problem import Problem

DEFINITIONS = read_definitions()
# Values that must fit together in ways a schema does not state: resource -> field -> value or function of the document.
OVERRIDES = {
    "users": {"role": "user", "status": "active"},
    "webhooks": {"events": ["comments.created"]},
    "webhook_deliveries": {"type": "comments.created"},
    "events": {"type": "comments.created"},
    "videos": {
        "chapters": lambda document: [{"start": 0, "title": marker("chapter")}],
        "publish_at": None,
        "age_restricted": False,
    },
    "captions": {"text": lambda document: f"WEBVTT\n\n00:00.000 --> 00:01.000\n{marker('text')}\n"},
    "jobs": {"key": lambda document: marker("key")},
}
META = ("_id", "_created", "_updated", "_etag")
RUN = secrets.token_hex(3)
NUMBERS = itertools.count(1)


def marker(field):
    """Return a text that occurs nowhere else, so that a leak of this field can be found in any body."""
    return f"{field[:12].replace('_', '-')}{RUN}{next(NUMBERS)}"


def make_value(rules, field="x"):
    """Return a value that these Cerberus rules accept."""
    if "anyof" in rules:
        rules = {**rules, **rules["anyof"][0]}
    if "allowed" in rules:
        return rules.get("default", rules["allowed"][0])
    kind = rules.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    return MAKERS[kind](rules, field)


def make_text(rules, field):
    if rules.get("check_with") == "language":
        # For private use: as rare as a marker, and a tag all the same.
        return f"en-x-{secrets.token_hex(4)}"
    word = marker(field)
    if rules.get("check_with") == "address":
        return f"{word}@example.org"
    longest, pattern = rules.get("maxlength", 100), rules.get("regex")
    tries = [word, f"https://example.org/{word}", f"@{word}", "en", "#a0b1c2", secrets.token_hex(16), "1"]
    for text in (one[:longest] for one in tries):
        if len(text) >= rules.get("minlength", 0) and (not pattern or re.fullmatch(pattern, text)):
            return text
    raise AssertionError(f"No text for {field} fits {pattern!r}: add it to OVERRIDES.")


def make_number(rules, field):
    return min(max(rules.get("min", 0), 7), rules.get("max", 7))


def make_list(rules, field):
    return [make_value(rules["schema"], field)] if rules.get("schema") and rules.get("maxlength") != 0 else []


def make_dict(rules, field):
    if not rules.get("schema"):
        return {"word": marker(field)}
    return {name: make_value(inner, field) for name, inner in rules["schema"].items()}


def make_moment(rules, field):
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


MAKERS = {
    "string": make_text,
    "integer": make_number,
    "number": make_number,
    "float": make_number,
    "boolean": lambda rules, field: True,
    "datetime": make_moment,
    "objectid": lambda rules, field: ObjectId(),
    "list": make_list,
    "dict": make_dict,
}


def relation(rules):
    """Return the resource that a field refers to, None for other fields and lists of references."""
    return rules.get("data_relation", {}).get("resource")


class Factory:
    """Inserts documents through the store, with whatever they must refer to. `host` owns what is made on the way."""

    def __init__(self, store, host):
        self.store = store
        self.host = host
        self.parents = {}

    def insert(self, name, owner, /, **given):
        """Insert a document of `owner` with every field filled, and return it as stored."""
        try:
            return self.store.insert(name, self.document(name, owner, **given))
        except Problem as problem:
            if problem.code != 409:
                raise
            self.parents.clear()
            return self.store.insert(name, self.document(name, owner, **given))

    def document(self, name, owner, /, **given):
        """Return a complete document, the fields that only the server writes among them."""
        definition = DEFINITIONS[name]
        policy, document = definition["policy"], {}
        for field, rules in definition["schema"].items():
            if field in given or self.comes_by_itself(policy, field, rules):
                continue
            if relation(rules):
                if field in self.needed(definition):
                    document[field] = self.parent(name, field, owner)["_id"]
                elif rules.get("nullable"):
                    document[field] = None
            elif relation(rules.get("schema", {})):
                document[field] = []
            else:
                document[field] = make_value(rules, field)
        for field, told in policy.get("references", {}).items():
            if field not in given:
                document[field] = self.target(told["of"][{**document, **given}[told["by"]]])["_id"]
        document |= self.overrides(name, document)
        if (path := policy.get("owner")) and path != "_id":
            document["owner" if "." in path else path] = owner
        return {**document, **given}

    def target(self, name):
        """Return a public document of the host's."""
        key = (name, self.host)
        if key not in self.parents:
            self.parents[key] = self.insert(name, self.host, **public(name))
        return self.parents[key]

    def overrides(self, name, document):
        """Return the values that OVERRIDES states for this document."""
        values = OVERRIDES.get(name, {})
        return {field: value(document) if callable(value) else value for field, value in values.items()}

    def comes_by_itself(self, policy, field, rules):
        """Tell whether the store fills this field on its own."""
        return (
            "start" in rules.get("meta", {})
            or field in policy.get("states", {})
            or field in policy.get("folded", {})
        )

    def needed(self, definition):
        """Return the references that a document cannot be without."""
        policy = definition["policy"]
        needed = {
            field
            for field, rules in definition["schema"].items()
            if relation(rules) and rules.get("required")
        }
        needed |= {policy["readable_with"]} if policy.get("readable_with") else set()
        indexes = [i for i in definition.get("mongo_indexes", {}).values() if isinstance(i, tuple)]
        needed |= {field for keys, options in indexes if options.get("unique") for field, _ in keys}
        needed |= {field for one in policy.get("unique", []) for field in one["fields"]}
        return needed | ({policy["owner"].split(".")[0]} if "." in (policy.get("owner") or "") else set())

    def parent(self, name, field, owner):
        """Return a public document for a reference; it belongs to the host unless ownership comes through it."""
        policy = DEFINITIONS[name]["policy"]
        target = DEFINITIONS[name]["schema"][field]["data_relation"]["resource"]
        via = (policy.get("owner") or "").split(".")[0] == field and "." in policy["owner"]
        key = (target, owner if via else self.host)
        if key not in self.parents:
            self.parents[key] = self.insert(target, key[1], **public(target))
        return self.parents[key]

    def body(self, name, owner, words=("anyone", "user", "owner"), **given):
        """Return the JSON body with which somebody who is `words` may create this document."""
        document = self.document(name, owner)
        wanted = {f for f in document if set(writers(name, f)) & {*words, "create"}}
        return as_json(
            {f: value for f, value in document.items() if f in wanted and value is not None} | given
        )


def writers(name, field):
    """Return who is declared to write a field."""
    rules = DEFINITIONS[name]["schema"].get(field)
    if rules is None:
        return ["server"]
    declared = DEFINITIONS[name]["policy"].get("fields", {}).get(field, {})
    return declared.get("write", ["server"] if rules.get("readonly") else ["anyone"])


def public(name):
    """Return the values that make a document of this resource readable by everyone."""
    return satisfy(DEFINITIONS[name]["policy"].get("readable") or {})


def satisfy(wanted):
    """Return values that satisfy a declared filter."""
    return {field: satisfying(condition) for field, condition in wanted.items()}


def satisfying(condition):
    if isinstance(condition, list):
        return condition[0]
    if not isinstance(condition, dict):
        return condition
    ((operator, operand),) = condition.items()
    return {"$in": lambda: operand[0], "$ne": lambda: True if operand is None else None, "$eq": lambda: operand,
            # A number, since only numbers are told apart in this way: the first that is none of these.
            "$nin": lambda: next(one for one in range(len(operand) + 1) if one not in operand),
            "$exists": lambda: True if operand else None}[operator]()  # fmt: skip


def as_json(value):
    """Return a stored value in the form in which it travels."""
    if isinstance(value, dict):
        return {name: as_json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_json(inner) for inner in value]
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value
