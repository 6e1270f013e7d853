"""What people type: every declared text is taken in its normal form, or refused with a sentence that says the form."""

import copy
import re

import pytest

from machine.declare.lint import lint
from machine.declare.registry import read_definitions
from machine.http.body import BodyValidator
from machine.text.kinds import KINDS, kind_of, people_type

# (what is sent, as a line, as prose, as a tag, as a code): what is stored, or None where it is refused.
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
STRINGS = {
    "words": ("A day out", "A day out", "A day out", "A day out", None),
    "spaces around": ("  A \n", "A", "  A \n", "A", "A"),
    "decomposed": ("Cafe\u0301", "Caf\xe9", "Caf\xe9", "Caf\xe9", "Cafe\u0301"),
    "only spaces": ("   ", None, None, None, None),
    "only ideographic spaces": ("\u3000\u3000", None, None, None, None),
    "only zero width": ("\u200b\u200d\ufeff", None, None, None, None),
    "only a Hangul filler": ("\u3164", None, None, None, None),
    "only braille blanks": ("\u2800\u2800", None, None, None, None),
    "only combining marks": ("\u0301\u0302", None, None, None, None),
    "only a direction mark": ("\u200f", None, None, None, None),
    "NUL": ("a\0b", None, None, None, None),
    "escape": ("a\x1b[31mb", None, None, None, None),
    "a C1 control": ("a\x9bb", None, None, None, None),
    "a noncharacter": ("a\uffffb", None, None, None, None),
    "two lines": ("a\nb", None, "a\nb", None, None),
    "two lines of Windows": ("a\r\nb", None, "a\nb", None, None),
    "a line separator": ("a\u2028b", None, "a\nb", None, None),
    "a tab": ("a\tb", None, "a\tb", None, None),
    "an override": ("a\u202eb", None, "a\u202eb", None, None),
    "a closed override": ("a\u202eb\u202c", None, "a\u202eb\u202c", None, None),
    "an open isolate": ("a\u2067b", None, "a\u2067b", None, None),
    "a closed isolate": ("a\u2067b\u2069", "a\u2067b\u2069", "a\u2067b\u2069", "a\u2067b\u2069", None),
    "an end without a beginning": ("a\u2069b", None, "a\u2069b", None, None),
    "a family of emoji": (FAMILY, FAMILY, FAMILY, FAMILY, None),
    "a direction mark in a word": ("\u05d0\u200f!", "\u05d0\u200f!", "\u05d0\u200f!", "\u05d0\u200f!", None),
    "a joiner in a word": ("\u0645\u06cc\u200c\u062e", *("\u0645\u06cc\u200c\u062e",) * 3, None),
    "Chinese": ("\u4f60\u597d", *("\u4f60\u597d",) * 4),
}  # fmt: skip
SPACES = ("only spaces", "only ideographic spaces")
COLUMN = {"line": 1, "name": 1, "prose": 2, "tag": 3, "code": 4, "handle": 4}
# A name takes no change of direction at all.
NOT_IN_NAMES = ("a closed isolate",)


def texts(schema, path=()):
    """Yield (path, rules) of every text that people type, however deep."""
    for name, rules in schema.items():
        if rules.get("readonly"):
            continue
        inner = rules.get("schema", {})
        if rules.get("type") == "list":
            yield from texts({"[]": inner}, (*path, name))
        elif rules.get("type") == "dict":
            yield from texts(inner, (*path, name))
        elif people_type(rules):
            yield (*path, name), rules


FIELDS = [
    (name, *found)
    for name, definition in read_definitions().items()
    for found in texts(definition["schema"])
    # Hardly a text is the tag of a language: test_languages.py has those.
    if kind_of(found[1]) != "language"
]


def expected(rules, row):
    """Return what the table says of a field; a text that may be empty may also be of spaces alone."""
    kind = kind_of(rules)
    told = None if kind == "name" and row in NOT_IN_NAMES else STRINGS[row][COLUMN[kind]]
    return "" if told is None and row in SPACES and not rules.get("minlength") else told


@pytest.mark.parametrize(
    ("name", "path", "rules"), FIELDS, ids=[".".join((name, *path)) for name, path, _ in FIELDS]
)
def test_every_declared_text_is_normal_or_refused(name, path, rules):
    # What else a field asks for, its length and pattern, is not the kind's business.
    rules = {key: value for key, value in rules.items() if key != "regex"} | {"maxlength": 1000}
    if rules.get("minlength"):
        rules["minlength"] = 1
    wrong = {}
    for row, (sent, *_) in STRINGS.items():
        validator = BodyValidator({"text": rules})
        taken = validator.validate({"text": sent})
        told = validator.document["text"] if taken else None
        said = taken or any(issue.startswith("must ") for issue in validator.errors["text"])
        if told != expected(rules, row) or not said:
            wrong[row] = told, validator.errors
    assert wrong == {}


def test_every_text_in_the_body_of_a_route_says_its_kind(app):
    silent = [
        f"{spec.method} {spec.path}: {'.'.join(path)}"
        for view in app.view_functions.values()
        if (spec := getattr(view, "spec", None)) and (body := body_of(spec))
        for path, rules in texts(body)
        if kind_of(rules) is None
    ]
    assert silent == []


def body_of(spec):
    return spec.body or getattr(spec.takes, "fields", None)


def test_what_a_kind_says_of_itself_in_the_document_is_so(anonymous):
    """The pattern of a kind refuses nothing that the kind takes, in what each way to write is documented to take."""
    document = anonymous.get("/openapi.json").json
    schemas = document["components"]["schemas"]
    said = [field for one in schemas.values() for field in one.get("properties", {}).values()]
    for word in ("line", "name", "tag", "prose"):
        kind = KINDS[word]
        assert any(kind.about in field.get("description", "") for field in said) or word == "tag"
        for name, row in STRINGS.items():
            if row[COLUMN[word]] and not (word == "name" and name in NOT_IN_NAMES):
                assert re.search(kind.pattern, row[0].strip()), (word, row)


def test_lint_wants_a_kind_of_each_text_that_people_type():
    declared = copy.deepcopy(read_definitions())
    del declared["videos"]["schema"]["title"]["check_with"]
    del declared["videos"]["schema"]["tags"]["schema"]["check_with"]
    declared["channels"]["schema"]["name"]["check_with"] = "lien"
    found = lint(declared)
    assert [one.split(": ")[1] for one in found] == [
        "schema.name.check_with", "schema.name", "schema.title", "schema.tags.schema",
    ]  # fmt: skip
    assert "say its kind of text" in found[-1] and "did you mean 'line'" in found[0]


@pytest.mark.parametrize("word", KINDS)
def test_the_normal_form_of_a_normal_form_is_itself(word):
    kind = KINDS[word]
    for sent, *_ in STRINGS.values():
        assert kind.normal(kind.normal(sent)) == kind.normal(sent)
