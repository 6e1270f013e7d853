"""Nobody learns from the time of an answer whether an account exists."""

import gc
import time
from statistics import median

import pytest

from tests.conftest import Client, sign_up

PAIRS = 25
# Other load on the machine may disturb one measurement; a difference of ours would be in all of them.
TRIES = 3


@pytest.fixture(scope="module")
def known(app):
    return sign_up(app, "known").user["username"]


def ratio(one, other):
    """The median of the ratios of the times of two calls, made in turns so that other load hits both."""
    one(), other()
    gc.collect()
    ratios = []
    for turn in range(PAIRS):
        first, second = (one, other) if turn % 2 else (other, one)
        times = {}
        for call in (first, second):
            begun = time.perf_counter()
            call()
            times[call] = time.perf_counter() - begun
        ratios.append(times[one] / times[other])
    return median(ratios)


def alike(one, other):
    """Tell whether two calls take the same time within 10 %."""
    return any(0.9 < ratio(one, other) < 1.1 for _ in range(TRIES))


def login(app, login):
    client = Client(app)
    return lambda: client.post("/auth/login", {"login": login, "password": "wrong password"})


def test_sign_in_takes_as_long_for_an_unknown_name(app, known):
    assert alike(login(app, known), login(app, "unknown"))


def test_sign_in_takes_as_long_for_an_unknown_address(app, known):
    assert alike(login(app, f"{known}@example.org"), login(app, "unknown@example.org"))


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
