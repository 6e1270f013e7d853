"""Two-factor sign-in: nothing works without the second factor, and no code works twice."""

import threading
import time
from dataclasses import replace

import pyotp
import pytest

from assembly import create_app
from features.identity import totp
from machine.access.rates import RATES
from tests.conftest import Client, sign_up
from tests.identity import PASSWORD


@pytest.fixture
def user(app, name):
    return sign_up(app, name)


@pytest.fixture(scope="module")
def strict(app):
    """The same data behind an application that counts."""
    counting = create_app(replace(app.settings, rate_limits=True))
    yield counting
    counting.services.close()


def turn_on(user):
    secret = user.post("/me/totp", {"password": PASSWORD}).json["secret"]
    answer = user.post("/me/totp/confirm", {"code": code(secret)})
    assert answer.status_code == 200, answer.json
    return secret, answer.json["recovery_codes"]


def code(secret, steps=0):
    """The code of now, or of so many steps of 30 s from now."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * steps)


def login(app, user, **more):
    return Client(app).post("/auth/login", {"login": user.user["username"], "password": PASSWORD, **more})


def test_preparing_changes_nothing_before_it_is_confirmed(app, user):
    answer = user.post("/me/totp", {"password": PASSWORD})
    assert answer.json["otpauth_uri"].startswith("otpauth://totp/Marquee:")
    assert login(app, user).status_code == 200


def test_preparing_takes_the_password(user):
    assert user.post("/me/totp", {"password": "wrong password"}).status_code == 403


def test_a_wrong_first_code_does_not_turn_it_on(app, user):
    user.post("/me/totp", {"password": PASSWORD})
    assert user.post("/me/totp/confirm", {"code": "000000"}).status_code == 422
    assert login(app, user).status_code == 200


def test_sign_in_asks_for_the_code_once_it_is_on(app, user):
    secret, _ = turn_on(user)
    asked = login(app, user)
    assert asked.status_code == 401 and asked.json["reason"] == "second_factor_required"
    assert login(app, user, code=code(secret, 1)).status_code == 200


def test_that_a_second_factor_is_on_is_told_only_to_who_knows_the_password(app, user):
    turn_on(user)
    body = {"login": user.user["username"], "password": "wrong password"}
    assert Client(app).post("/auth/login", body).json["reason"] == "invalid_credentials"


def test_a_code_works_once(app, user):
    secret, _ = turn_on(user)
    used = code(secret, 1)
    assert login(app, user, code=used).status_code == 200
    again = login(app, user, code=used)
    assert again.status_code == 401 and again.json["reason"] == "invalid_code"


def test_the_code_that_turned_it_on_does_not_sign_in(app, user):
    secret = user.post("/me/totp", {"password": PASSWORD}).json["secret"]
    used = code(secret)
    user.post("/me/totp/confirm", {"code": used})
    assert login(app, user, code=used).status_code == 401


def test_of_parallel_sign_ins_with_one_code_one_wins(app, user):
    secret, _ = turn_on(user)
    used, statuses = code(secret, 1), []

    def run():
        statuses.append(login(app, user, code=used).status_code)

    threads = [threading.Thread(target=run) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(statuses) == [200] + [401] * 5


@pytest.mark.parametrize("wrong", ["000000", "", "abcdef", "١٢٣٤٥٦", "1234567", "x" * 40])
def test_a_wrong_code_is_refused(app, user, wrong):
    turn_on(user)
    assert login(app, user, code=wrong).status_code == 401


def test_a_code_of_another_time_is_refused(app, user):
    secret, _ = turn_on(user)
    assert login(app, user, code=code(secret, 5)).status_code == 401
    assert login(app, user, code=code(secret, -5)).status_code == 401


def test_each_recovery_code_signs_in_once(app, user):
    _, codes = turn_on(user)
    assert len(set(codes)) == 10
    assert login(app, user, code=codes[0].upper()).status_code == 200
    assert login(app, user, code=codes[0]).status_code == 401
    assert login(app, user, code=codes[1]).status_code == 200


def test_neither_secret_nor_recovery_codes_are_stored_readably(app, user):
    secret, codes = turn_on(user)
    stored = str(app.services.db["credentials"].find_one({"_id": user.user["_id"]}))
    assert secret not in stored and not any(one in stored for one in codes)


def test_a_failed_second_factor_is_audited(app, user):
    turn_on(user)
    login(app, user, code="000000")
    assert app.services.db["audit_log"].find_one(
        {"action": "second_factor_failed", "actor": user.user["_id"]}
    )


def test_turning_it_off_takes_password_and_code(app, user):
    secret, codes = turn_on(user)

    def turn_off(password, with_code):
        return user.call("DELETE", "/me/totp", json={"password": password, "code": with_code}).status_code

    assert turn_off("wrong password", codes[0]) == 403
    assert turn_off(PASSWORD, "000000") == 422
    assert login(app, user).status_code == 401
    assert turn_off(PASSWORD, codes[0]) == 204
    assert login(app, user).status_code == 200


def prepare(user, **more):
    return user.post("/me/totp", {"password": PASSWORD, **more})


def test_a_new_factor_replaces_the_old_one_only_when_confirmed(app, user):
    old, codes = turn_on(user)
    assert prepare(user, code=codes[0]).status_code == 200
    assert login(app, user, code=code(old, 1)).status_code == 200


def test_replacing_the_factor_takes_a_code_of_the_one_in_force(app, user):
    """The password alone would make the second factor a first one."""
    _, codes = turn_on(user)
    for without in ({}, {"code": "000000"}):
        answer = prepare(user, **without)
        assert answer.status_code == 422 and answer.json["reason"] == "invalid_code"
    secret = prepare(user, code=codes[0]).json["secret"]
    assert user.post("/me/totp/confirm", {"code": code(secret)}).status_code == 200
    assert login(app, user, code=codes[1]).status_code == 401, "the old recovery codes have ended"
    assert login(app, user, code=code(secret, 1)).status_code == 200


def test_a_secret_prepared_before_the_factor_was_on_cannot_replace_it(app, user, monkeypatch):
    """Somebody else with the password prepares one at the same moment, and sees that no factor is on yet."""
    secret = prepare(user).json["secret"]
    begin = totp.begin

    def slowly(*arguments):
        monkeypatch.undo()
        assert user.post("/me/totp/confirm", {"code": code(secret)}).status_code == 200
        return begin(*arguments)

    monkeypatch.setattr(totp, "begin", slowly)
    assert prepare(user).status_code == 409
    stored = app.services.db["credentials"].find_one({"_id": user.user["_id"]})
    assert "totp_pending" not in stored and "totp" in stored


def test_turning_it_on_ends_what_came_in_without_it(app, user):
    other = Client(app, login(app, user).json["access_token"])
    key = Client(app, user.post("/api_keys", {"name": "k", "scopes": ["users:read"]}).json["key"])
    turn_on(user)
    assert other.get("/me").status_code == key.get("/me").status_code == 401
    assert user.get("/me").status_code == 200


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/me/totp"), ("POST", "/me/totp")])
def test_codes_are_guessed_no_faster_here_than_at_sign_in(app, strict, user, method, path):
    """Six in a quarter of an hour and 24 a day, for the account, all ways together."""
    _, codes = turn_on(user)
    quota = RATES["code"].rates[0].quota
    mine = Client(strict, user.token)
    body = {"password": PASSWORD, "code": "000000"}
    statuses = [mine.call(method, path, json=body).status_code for _ in range(quota + 1)]
    assert statuses == [422] * quota + [429]
    assert mine.call(method, path, json={**body, "code": codes[0]}).status_code == 429
    assert login(strict, user, code=codes[0]).status_code == 429, "it is the account's quota, not the route's"
