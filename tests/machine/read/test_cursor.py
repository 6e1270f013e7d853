"""The mathematics of cursors: `following` selects exactly what comes after a position, and tokens cannot be forged."""

import itertools
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from bson import ObjectId

from machine.http.problem import Problem
from machine.read.cursor import Cursors, flip, following, scope_of
from tests.field_reports import reported

SCOPE = b"a list"


@pytest.fixture
def cursors():
    return Cursors("a secret of at least thirty-two characters")


@pytest.fixture(scope="module")
def heap(app):
    """Documents with every combination of two keys, absent and null ones among them."""
    collection = app.services.db["heap"]
    values = [None, "absent", 1, 2, 3]
    collection.insert_many(
        {"_id": ObjectId()} | {k: v for k, v in (("a", a), ("b", b)) if v != "absent"}
        for a, b, _ in itertools.product(values, values, range(2))
    )
    yield collection
    collection.drop()


def read(heap, sort, values, tied):
    """Return what follows a position: the results of the filters, one after the other."""
    steps = following(sort, values, frozenset("ab"), tied)
    return [one for condition, order in steps for one in heap.find(condition).sort(order)]


@reported(
    "Dates, headers, forms",
    "Documents of one date are skipped, or come twice, where a page ends among them",
    sent="page after page of a list in which many have the same values",
    back="each document once",
)
@pytest.mark.parametrize(
    "sort",
    [
        [("_id", 1)],
        [("_id", -1)],
        [("a", 1), ("_id", 1)],
        [("a", -1), ("_id", -1)],
        [("a", -1), ("_id", 1)],
        [("a", 1), ("b", -1), ("_id", 1)],
        [("a", -1), ("b", -1), ("_id", -1)],
        [("a", -1), ("b", 1), ("_id", -1)],
    ],
)
def test_filters_select_exactly_what_follows(heap, sort):
    every = list(heap.find().sort(sort))
    for i, document in enumerate(every):
        values = [document.get(name) for name, _ in sort]
        for tied in (False, True):
            assert read(heap, sort, values, tied) == every[i + 1 :], values
            assert read(heap, flip(sort), values, tied) == every[:i][::-1], values


def test_token_survives_its_round_trip(cursors):
    values = [ObjectId(), 5, None, "é"]
    assert cursors.read(cursors.make("n", values, SCOPE), SCOPE) == ("n", values)


def test_token_of_another_scope_is_refused(cursors):
    token = cursors.make("n", [1], SCOPE)
    with pytest.raises(Problem, match="cursor"):
        cursors.read(token, b"another list")


def test_token_of_another_secret_is_refused(cursors):
    token = Cursors("another secret of thirty-two characters").make("n", [1], SCOPE)
    with pytest.raises(Problem):
        cursors.read(token, SCOPE)


def test_every_changed_character_spoils_a_token(cursors):
    token = cursors.make("n", [ObjectId(), 7], SCOPE)
    for i in range(len(token)):
        for letter in "Az0_":
            if token[i] != letter:
                with pytest.raises(Problem):
                    cursors.read(token[:i] + letter + token[i + 1 :], SCOPE)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[:-1],
        lambda t: t + "A",
        lambda t: "A" + t,
        lambda t: t + "!",
        lambda t: t + " ",
        lambda t: t + "=",
        lambda t: t[:5] + "\n" + t[5:],
        lambda t: t[:5] + "*" + t[5:],
        lambda t: "",
        lambda t: "=",
        lambda t: t * 2,
        lambda t: "é" + t,
    ],
)
def test_token_with_anything_added_or_cut_is_refused(cursors, change):
    with pytest.raises(Problem):
        cursors.read(change(cursors.make("n", [1], SCOPE)), SCOPE)


def test_random_bytes_are_refused(cursors):
    chance = random.Random(7)
    for size in (0, 1, 8, 9, 10, 30, 100):
        with pytest.raises(Problem):
            cursors.read(urlsafe_b64encode(chance.randbytes(size)).decode().rstrip("="), SCOPE)


def test_token_is_short_and_does_not_show_the_filter(cursors):
    token = cursors.make(
        "n", [ObjectId(), ObjectId()], scope_of("videos", [("_id", 1)], {"owner": "somebody"})
    )
    assert len(token) < 110
    assert b"somebody" not in urlsafe_b64decode(token + "=" * (-len(token) % 4))


def test_scope_depends_on_resource_sort_and_filter():
    scopes = {
        scope_of(*one)
        for one in [
            ("videos", [("_id", 1)], {}),
            ("videos", [("_id", -1)], {}),
            ("comments", [("_id", 1)], {}),
            ("videos", [("_id", 1)], {"a": 1}),
            ("videos", [("_id", 1)], {"a": 2}),
        ]
    }
    assert len(scopes) == 5
