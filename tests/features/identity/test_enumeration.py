"""Nobody learns from the time of an answer whether an account exists."""

import gc
import time
from math import ceil, floor
from statistics import median

import pytest

from tests.conftest import Client, sign_up

# Pairs are measured, so many at a time, until it is certain (99 of 100) on which side of 10 % the median lies.
PAIRS, MOST_PAIRS, CERTAIN = 25, 150, 2.58
ALIKE = (0.9, 1.1)


@pytest.fixture(scope="module")
def known(app):
    return sign_up(app, "known").user["username"]


def measure(one, other):
    """Return the ratios of the times of two calls, made in turns so that other load hits both."""
    ratios = []
    for turn in range(PAIRS):
        first, second = (one, other) if turn % 2 else (other, one)
        times = {}
        for call in (first, second):
            begun = time.perf_counter()
            call()
            times[call] = time.perf_counter() - begun
        ratios.append(times[one] / times[other])
    return ratios


def alike(one, other):
    """Tell whether two calls take the same time within 10 %."""
    one(), other()
    gc.collect()
    ratios = []
    while len(ratios) < MOST_PAIRS:
        ratios += measure(one, other)
        low, high = interval(ratios)
        if (ALIKE[0] < low and high < ALIKE[1]) or high < ALIKE[0] or ALIKE[1] < low:
            break
    return ALIKE[0] < median(ratios) < ALIKE[1]


def interval(ratios):
    """Return between which two of them the true median lies, by their ranks (the sign test)."""
    ranked, count = sorted(ratios), len(ratios)
    away = CERTAIN * count**0.5 / 2
    return ranked[max(0, floor(count / 2 - away))], ranked[min(count - 1, ceil(count / 2 + away))]


def login(app, login, password="wrong password"):
    client = Client(app)
    return lambda: client.post("/auth/login", {"login": login, "password": password})


def test_sign_in_takes_as_long_for_an_unknown_name(app, known):
    assert alike(login(app, known), login(app, "unknown"))


def test_sign_in_takes_as_long_for_an_unknown_address(app, known):
    assert alike(login(app, f"{known}@example.org"), login(app, "unknown@example.org"))


def test_sign_in_takes_as_long_for_an_unknown_name_where_a_password_has_two_forms(app, known):
    typed = "cafe\u0301 au lait"
    assert alike(login(app, known, typed), login(app, "unknown", typed))


def test_asking_for_a_password_takes_as_long_for_an_unknown_address(app, known):
    client = Client(app)

    def forgot(email):
        return lambda: client.post("/auth/forgot", {"email": email})

    assert alike(forgot(f"{known}@example.org"), forgot("unknown@example.org"))


def test_registering_takes_as_long_with_an_address_that_is_in_use(app, known):
    client, count = Client(app), iter(range(10_000))

    def register(address):
        def call():
            body = {"username": f"newcomer{next(count)}", "email": address(), "password": "a fine password"}
            assert client.post("/auth/register", body).status_code == 201

        return call

    used = register(lambda: f"{known}@example.org")
    fresh = register(lambda: f"fresh{next(count)}@example.org")
    assert alike(used, fresh)


def test_the_measurement_sees_a_difference_of_a_quarter():
    def work(size):
        return lambda: sum(range(size))

    assert not alike(work(400_000), work(500_000))
