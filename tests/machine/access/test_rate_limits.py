"""Rate limits through the API: who is counted, what is answered, and what nobody can talk himself out of."""

import re
from dataclasses import replace

import pyotp
import pytest

from assembly import create_app
from machine.access.rates import RATES
from tests.conftest import Client, sign_up
from tests.field_reports import reported
from tests.identity import PASSWORD

ACCOUNT = next(rate.quota for rate in RATES["login"].rates if rate.per == "account")
ADDRESS = next(rate.quota for rate in RATES["login"].rates if rate.per == "address")
REGISTER = RATES["register"].rates[0].quota


def limited(app, **changes):
    return create_app(replace(app.settings, rate_limits=True, **changes))


@pytest.fixture(scope="module")
def strict(app):
    """The same data behind an application that counts."""
    counting = limited(app)
    yield counting
    counting.services.close()


@pytest.fixture(autouse=True)
def uncounted(app):
    app.services.redis.flushdb()


@pytest.fixture
def user(app, name):
    return sign_up(app, name)


def try_login(app, login, password="wrong password", address="192.0.2.1", **headers):
    return app.test_client().post(
        "/api/v1/auth/login",
        json={"login": login, "password": password},
        headers=headers,
        environ_base={"REMOTE_ADDR": address},
    )


def remaining(answer):
    return re.search(r"r=(\d+)", answer.headers["RateLimit"]).group(1)


def test_brute_force_on_one_account_from_many_addresses_is_stopped(strict, user):
    name = user.user["username"]
    statuses = [try_login(strict, name, address=f"192.0.2.{n}").status_code for n in range(ACCOUNT + 5)]
    assert statuses == [401] * ACCOUNT + [429] * 5


def test_while_an_account_is_guarded_not_even_the_right_password_is_tried(strict, user):
    name = user.user["username"]
    for n in range(ACCOUNT):
        try_login(strict, name, address=f"192.0.2.{n}")
    assert try_login(strict, name, PASSWORD, address="198.51.100.9").status_code == 429


def test_brute_force_on_many_accounts_from_one_address_is_stopped(strict, name):
    statuses = [try_login(strict, f"{name}{n}").status_code for n in range(ADDRESS + 3)]
    assert statuses == [401] * ADDRESS + [429] * 3


def test_an_unknown_account_is_limited_like_a_known_one(strict, user, name):
    known = [try_login(strict, user.user["username"], address="192.0.2.1") for _ in range(ACCOUNT + 1)]
    unknown = [try_login(strict, "x" + name, address="192.0.2.2") for _ in range(ACCOUNT + 1)]
    assert [one.status_code for one in known] == [one.status_code for one in unknown]
    assert known[-1].headers["RateLimit-Policy"] == unknown[-1].headers["RateLimit-Policy"]
    assert remaining(known[-1]) == remaining(unknown[-1]) == "0"


def test_signing_in_often_with_the_right_password_is_no_attack_on_the_account(strict, user):
    name = user.user["username"]
    statuses = {try_login(strict, name, PASSWORD).status_code for _ in range(ACCOUNT + 5)}
    assert statuses == {200}


@reported(
    "Signing in",
    "A made-up X-Forwarded-For gets around the limit of an address",
    sent="sign-ins with another `X-Forwarded-For` each time",
    back="429 as without it: only as many proxies as are set are believed",
)
def test_a_spoofed_forwarded_address_changes_nothing(strict, name):
    statuses = [
        try_login(strict, f"{name}{n}", **{"X-Forwarded-For": f"203.0.113.{n}"}).status_code
        for n in range(ADDRESS + 1)
    ]
    assert statuses[-1] == 429


def test_behind_a_trusted_proxy_only_what_the_proxy_added_counts(app, name):
    behind = limited(app, trusted_proxies=1)
    for n in range(ADDRESS):
        try_login(behind, f"{name}{n}", **{"X-Forwarded-For": f"203.0.113.{n}, 198.51.100.7"})
    attacker = try_login(behind, name, **{"X-Forwarded-For": "203.0.113.250, 198.51.100.7"})
    somebody = try_login(behind, name, **{"X-Forwarded-For": "203.0.113.250, 198.51.100.8"})
    assert (attacker.status_code, somebody.status_code) == (429, 401)
    behind.services.close()


def test_registering_in_bulk_from_one_address_is_stopped(strict, name):
    client = Client(strict)
    body = {"email": "x@example.org", "password": "short"}
    statuses = [client.post("/auth/register", {"username": f"{name}{n}", **body}).status_code
                for n in range(REGISTER + 1)]  # fmt: skip
    assert statuses == [422] * REGISTER + [429]


def test_a_refusal_is_the_one_error_shape_and_says_when_to_come_back(strict, user):
    for _ in range(ACCOUNT + 1):
        answer = try_login(strict, user.user["username"])
    assert answer.status_code == 429 and answer.mimetype == "application/problem+json"
    assert answer.json["reason"] == "rate_limited" and 0 < int(answer.headers["Retry-After"]) <= 300


def test_answers_tell_the_limit_and_what_is_left_of_it(strict, user):
    answer = try_login(strict, user.user["username"])
    assert answer.headers["RateLimit-Policy"] == f'"login";q={ACCOUNT};w=300'
    assert answer.headers["RateLimit"].startswith(f'"login";r={ACCOUNT - 1};t=')


def test_signed_in_users_are_counted_each_for_himself(strict, user, alice):
    quota = RATES["sensitive"].rates[0].quota
    mine, hers = Client(strict, user.token), Client(strict, alice.token)
    statuses = [mine.post("/api_keys", {}).status_code for _ in range(quota + 1)]
    assert statuses == [422] * quota + [429]
    assert hers.post("/api_keys", {}).status_code == 422


def test_without_redis_sign_in_is_still_limited(app, name):
    alone = limited(app, redis_url="redis://127.0.0.1:1/0")
    statuses = [try_login(alone, name, address=f"192.0.2.{n}").status_code for n in range(ACCOUNT)]
    assert 429 in statuses and statuses[0] == 401
    alone.services.close()


def test_a_burst_is_in_the_audit_log(app, strict, user):
    for _ in range(ACCOUNT + 5):
        try_login(strict, user.user["username"], address="203.0.113.77")
    assert (
        app.services.db["audit_log"].count_documents({"action": "login_burst", "address": "203.0.113.77"})
        == 1
    )


def test_guessing_the_second_factor_is_stopped_long_before_it_can_succeed(app, strict, user):
    quota = RATES["code"].rates[0].quota
    secret = user.post("/me/totp", {"password": PASSWORD}).json["secret"]
    user.post("/me/totp/confirm", {"code": pyotp.TOTP(secret).now()})
    client = Client(strict)
    body = {"login": user.user["username"], "password": PASSWORD, "code": "000000"}
    statuses = [client.post("/auth/login", body).status_code for _ in range(quota + 1)]
    assert statuses == [401] * quota + [429]


def test_strangers_who_fail_to_sign_in_do_not_keep_the_owner_from_changing_his_password(strict, user):
    for n in range(ACCOUNT + 1):
        try_login(strict, user.user["username"], address=f"192.0.2.{n}")
    body = {"current": PASSWORD, "password": "another fine password"}
    assert Client(strict, user.token).post("/auth/password", body).status_code == 204


def test_guessing_the_password_of_a_stolen_session_is_stopped(strict, user):
    quota = RATES["password"].rates[0].quota
    thief, body = Client(strict, user.token), {"current": "wrong password", "password": "another one"}
    statuses = [thief.post("/auth/password", body).status_code for _ in range(quota + 1)]
    assert statuses == [403] * quota + [429]
