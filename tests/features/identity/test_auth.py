"""Sign up, sign in, stay signed in, sign out; recover a password, verify an address."""

import base64
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from features.identity.sessions import REFRESH_TOKENS
from machine.access.sealing import digest
from tests.conftest import Client, sign_up
from tests.field_reports import reported
from tests.identity import PASSWORD, letters_to, token_in


@pytest.fixture
def guest(app):
    return Client(app)


@pytest.fixture
def user(app, name):
    return sign_up(app, name)


def register(guest, name, email=None, password=PASSWORD):
    body = {"username": name, "email": email or f"{name}@example.org", "password": password}
    return guest.post("/auth/register", body)


def login(guest, login, password=PASSWORD, **more):
    return guest.post("/auth/login", {"login": login, "password": password, **more})


def refresh(guest, token):
    return guest.post("/auth/refresh", {"refresh_token": token})


def signed_in(app, name):
    return Client(app, login(Client(app), name).json["access_token"])


def verify(app, name, address):
    """Answer the newest letter to an address, in a session of the account that it is for."""
    return signed_in(app, name).post("/auth/verify-email", {"token": token_in(letters_to(app, address)[-1])})


# Signing up


def test_registering_answers_the_new_account_and_where_it_is(guest, name):
    answer = register(guest, name)
    assert answer.status_code == 201
    assert answer.json["username"] == name and answer.json["role"] == "user"
    assert answer.json["email"] == f"{name}@example.org" and answer.json["email_verified"] is False
    assert answer.headers["Location"] == f"/api/v1/users/{answer.json['_id']}"


def test_registering_answers_no_secret(guest, name):
    assert "password" not in register(guest, name).text


@pytest.mark.parametrize("field", ["role", "status", "email_verified", "_id", "counters", "password_hash"])
def test_nobody_registers_with_more_than_a_name_an_address_and_a_password(app, guest, name, field):
    body = {"username": name, "email": "a@example.org", "password": PASSWORD, field: "admin"}
    answer = guest.post("/auth/register", body)
    assert answer.status_code == 422 and field in answer.json["issues"]
    assert app.services.db["users"].find_one({"username": name}) is None


def test_a_username_is_taken_however_it_is_written(guest, name):
    register(guest, name)
    answer = register(guest, name.upper(), "other@example.org")
    assert answer.status_code == 409 and answer.json["reason"] == "username_taken"


def test_a_clash_leaves_no_credentials_behind(app, guest, name):
    register(guest, name)
    before = app.services.db["credentials"].count_documents({})
    register(guest, name)
    assert app.services.db["credentials"].count_documents({}) == before


@pytest.mark.parametrize("username", ["ab", "a" * 31, "-dash", "has space", "a@b", "tab\tname", "ünder"])
def test_a_poor_username_is_refused(guest, username):
    answer = register(guest, username, "a@example.org")
    assert answer.status_code == 422 and "username" in answer.json["issues"]


@pytest.mark.parametrize(
    "email", ["none", "a@b", "a@b.c\r\nBcc: d@e.f", "a b@example.org", "a@[::1]", "@example.org"]
)
def test_a_poor_address_is_refused(guest, name, email):
    answer = register(guest, name, email)
    assert answer.status_code == 422 and "email" in answer.json["issues"]


@pytest.mark.parametrize("password", ["short", "x" * 300, "aaaaaaaaaaa"])
def test_a_poor_password_is_refused(guest, name, password):
    answer = register(guest, name, password=password)
    assert answer.status_code == 422 and "password" in answer.json["issues"]


def test_of_parallel_registrations_of_one_name_one_wins(app, name):
    start, statuses = threading.Barrier(6), []

    def run():
        start.wait()
        statuses.append(register(Client(app), name).status_code)

    threads = [threading.Thread(target=run) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(statuses) == [201] + [409] * 5


# Signing in


def test_login_answers_tokens(guest, user):
    answer = login(guest, user.user["username"])
    assert answer.status_code == 200
    assert set(answer.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert answer.json["token_type"] == "Bearer" and answer.json["expires_in"] == 600
    assert answer.headers["Cache-Control"] == "no-store"


def test_login_works_with_the_name_in_any_case_and_with_the_address(guest, name):
    register(guest, name)
    assert login(guest, name.upper()).status_code == 200
    assert login(guest, f"{name}@Example.org").status_code == 200


def test_an_access_token_says_what_rfc_9068_wants(user, app):
    head, body, _ = user.token.split(".")
    head, body = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, body))
    assert head["typ"] == "at+jwt" and head["alg"] == "EdDSA" and len(head["kid"]) == 16
    assert set(body) == {"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "roles"}
    assert body["exp"] - body["iat"] == 600


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(guest, user, name):
    wrong = login(guest, user.user["username"], "wrong password")
    unknown = login(guest, "x" + name, "wrong password")
    assert wrong.status_code == unknown.status_code == 401
    drop = ("request_id",)
    assert {k: v for k, v in wrong.json.items() if k not in drop} == {
        k: v for k, v in unknown.json.items() if k not in drop
    }
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_suspended_user_cannot_sign_in(app, guest, user):
    app.store.change("users", {"_id": user.user["_id"]}, set={"status": "suspended"})
    answer = login(guest, user.user["username"])
    assert answer.status_code == 403 and answer.json["reason"] == "account_suspended"


def test_suspension_is_told_only_to_who_knows_the_password(app, guest, user):
    app.store.change("users", {"_id": user.user["_id"]}, set={"status": "suspended"})
    assert login(guest, user.user["username"], "wrong password").json["reason"] == "invalid_credentials"


def test_a_hash_of_lower_cost_is_made_anew_on_login(app, guest, user):
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    match = {"_id": user.user["_id"]}
    app.services.db["credentials"].update_one(match, {"$set": {"password_hash": weak}})
    assert login(guest, user.user["username"]).status_code == 200
    assert "m=19456,t=2,p=1" in app.services.db["credentials"].find_one(match)["password_hash"]
    assert login(guest, user.user["username"]).status_code == 200


# Staying signed in, signing out


def test_refresh_answers_new_tokens_that_work(app, guest, user):
    tokens = login(guest, user.user["username"]).json
    fresh = refresh(guest, tokens["refresh_token"])
    assert fresh.status_code == 200 and fresh.json["refresh_token"] != tokens["refresh_token"]
    assert Client(app, fresh.json["access_token"]).get("/me").status_code == 200


@reported(
    "Signing in",
    "Two tabs refresh at once, and the person is signed out: one of them used an old token",
    sent="`POST /auth/refresh` with one token, thirty times at once",
    back="one new refresh token for all of them, and the session lives",
)
def test_thirty_parallel_refreshes_give_one_refresh_token_and_the_session_lives(app, guest, user):
    tokens = login(guest, user.user["username"]).json
    start, answers = threading.Barrier(30), []

    def run():
        client = Client(app)
        start.wait()
        answers.append(refresh(client, tokens["refresh_token"]))

    threads = [threading.Thread(target=run) for _ in range(30)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert [answer.status_code for answer in answers] == [200] * 30
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert all(Client(app, one.json["access_token"]).get("/me").status_code == 200 for one in answers)
    assert refresh(guest, answers[0].json["refresh_token"]).status_code == 200


@reported(
    "Signing in",
    "The answer to a refresh is lost on a mobile network, and the person has to sign in anew",
    sent="the same refresh token again, within the grace",
    back="200 with the same successor",
)
def test_a_refresh_whose_answer_was_lost_is_answered_again(app, guest, user):
    tokens = login(guest, user.user["username"]).json
    lost, again = (refresh(guest, tokens["refresh_token"]) for _ in range(2))
    assert again.status_code == 200 and again.json["refresh_token"] == lost.json["refresh_token"]
    assert Client(app, again.json["access_token"]).get("/me").status_code == 200


def test_a_used_token_within_the_grace_is_theft_once_its_successor_was_used(app, guest, user):
    tokens = login(guest, user.user["username"]).json
    fresh = refresh(guest, tokens["refresh_token"]).json
    latest = refresh(guest, fresh["refresh_token"]).json
    assert refresh(guest, tokens["refresh_token"]).status_code == 401
    assert Client(app, latest["access_token"]).get("/me").status_code == 401
    assert app.services.db["audit_log"].find_one({"action": "refresh_reused", "actor": user.user["_id"]})


def test_a_replay_after_the_grace_is_401_kills_the_family_and_is_audited(app, guest, user):
    tokens = login(guest, user.user["username"]).json
    fresh = refresh(guest, tokens["refresh_token"]).json
    then = datetime.now(UTC) - timedelta(seconds=11)
    spent = {"_id": digest(tokens["refresh_token"])}
    app.services.db[REFRESH_TOKENS].update_one(spent, {"$set": {"rotated_at": then}})
    replay = refresh(guest, tokens["refresh_token"])
    assert replay.status_code == 401 and replay.headers["WWW-Authenticate"].startswith("Bearer")
    assert refresh(guest, fresh["refresh_token"]).status_code == 401
    assert Client(app, fresh["access_token"]).get("/me").status_code == 401
    entry = app.services.db["audit_log"].find_one({"action": "refresh_reused", "actor": user.user["_id"]})
    assert entry["address"] == "127.0.0.1" and entry["request_id"] == replay.headers["X-Request-Id"]
    assert user.get("/me").status_code == 200, "the user's other session is not touched"


def test_a_suspended_user_cannot_refresh(app, guest, user):
    tokens = login(guest, user.user["username"]).json
    app.store.change("users", {"_id": user.user["_id"]}, set={"status": "suspended"})
    assert refresh(guest, tokens["refresh_token"]).status_code == 401


@pytest.mark.parametrize("token", ["x", "mqr_" + "A" * 43, "mqr_", "\u0000", "a" * 200])
def test_an_invented_refresh_token_is_401(guest, token):
    assert refresh(guest, token).status_code == 401


def test_logout_refuses_the_access_token_and_the_refresh_token_at_once(app, guest, user):
    tokens = login(guest, user.user["username"]).json
    client = Client(app, tokens["access_token"])
    assert client.post("/auth/logout").status_code == 204
    assert client.get("/me").status_code == 401
    assert refresh(guest, tokens["refresh_token"]).status_code == 401
    assert user.get("/me").status_code == 200


def test_logout_all_ends_every_session(app, guest, user):
    second = Client(app, login(guest, user.user["username"]).json["access_token"])
    assert user.post("/auth/logout-all").status_code == 204
    assert user.get("/me").status_code == second.get("/me").status_code == 401


def test_logout_others_keeps_this_session(app, guest, user):
    second = Client(app, login(guest, user.user["username"]).json["access_token"])
    assert user.post("/auth/logout-others").status_code == 204
    assert user.get("/me").status_code == 200 and second.get("/me").status_code == 401


# Passwords


def test_changing_the_password_ends_the_other_sessions_only(app, guest, user):
    second = Client(app, login(guest, user.user["username"]).json["access_token"])
    body = {"current": PASSWORD, "password": "another fine password"}
    assert user.post("/auth/password", body).status_code == 204
    assert user.get("/me").status_code == 200 and second.get("/me").status_code == 401
    assert login(guest, user.user["username"]).status_code == 401
    assert login(guest, user.user["username"], "another fine password").status_code == 200


def test_changing_the_password_takes_the_present_one(guest, user):
    body = {"current": "wrong password", "password": "another fine password"}
    assert user.post("/auth/password", body).status_code == 403
    assert login(guest, user.user["username"]).status_code == 200


def test_a_new_password_must_be_a_good_one(user):
    answer = user.post("/auth/password", {"current": PASSWORD, "password": "short"})
    assert answer.status_code == 422 and "password" in answer.json["issues"]


def test_the_owner_of_a_changed_password_is_told(app, user):
    user.post("/auth/password", {"current": PASSWORD, "password": "another fine password"})
    subjects = [mail["Subject"] for mail in letters_to(app, f"{user.user['username']}@example.org")]
    assert "Your password was changed" in subjects


def test_a_forgotten_password_is_reset_with_the_letters_token_once(app, guest, user):
    address = f"{user.user['username']}@example.org"
    assert guest.post("/auth/forgot", {"email": address}).status_code == 202
    token = token_in(letters_to(app, address)[-1])
    body = {"token": token, "password": "a password I remember"}
    assert guest.post("/auth/reset", body).status_code == 204
    assert user.get("/me").status_code == 401, "every session has ended"
    assert login(guest, user.user["username"], "a password I remember").status_code == 200
    again = guest.post("/auth/reset", {**body, "password": "yet another password"})
    assert again.status_code == 400 and again.json["reason"] == "invalid_token"


def test_of_parallel_uses_of_one_reset_token_one_wins(app, guest, user):
    address = f"{user.user['username']}@example.org"
    guest.post("/auth/forgot", {"email": address})
    token, statuses = token_in(letters_to(app, address)[-1]), []

    def run(n):
        body = {"token": token, "password": f"password number {n}"}
        statuses.append(Client(app).post("/auth/reset", body).status_code)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(statuses) == [204] + [400] * 5


def test_a_newer_letter_makes_the_older_one_useless(app, guest, user):
    address = f"{user.user['username']}@example.org"
    for _ in range(2):
        guest.post("/auth/forgot", {"email": address})
    old, new = (token_in(mail) for mail in letters_to(app, address)[-2:])
    assert guest.post("/auth/reset", {"token": old, "password": "another one"}).status_code == 400
    assert guest.post("/auth/reset", {"token": new, "password": "another one"}).status_code == 204


def test_an_expired_token_resets_nothing(app, guest, user):
    address = f"{user.user['username']}@example.org"
    guest.post("/auth/forgot", {"email": address})
    token = token_in(letters_to(app, address)[-1])
    past = datetime.now(UTC) - timedelta(seconds=1)
    app.services.db["one_time_tokens"].update_one({"_id": digest(token)}, {"$set": {"expires_at": past}})
    assert guest.post("/auth/reset", {"token": token, "password": "another one"}).status_code == 400


def test_a_token_for_one_purpose_serves_no_other(app, guest, name):
    register(guest, name)
    token = token_in(letters_to(app, f"{name}@example.org")[-1])
    assert guest.post("/auth/reset", {"token": token, "password": "another one"}).status_code == 400


def test_mailed_tokens_are_stored_hashed_and_never_in_the_ledger(app, guest, user):
    address = f"{user.user['username']}@example.org"
    guest.post("/auth/forgot", {"email": address})
    token = token_in(letters_to(app, address)[-1])
    for collection in ("one_time_tokens", "jobs"):
        assert token not in str(list(app.services.db[collection].find()))


def test_asking_for_an_unknown_address_answers_the_same_and_mails_nobody(app, guest, user, name):
    known = guest.post("/auth/forgot", {"email": f"{user.user['username']}@example.org"})
    unknown = guest.post("/auth/forgot", {"email": f"x{name}@example.org"})
    assert (known.status_code, known.json) == (unknown.status_code, unknown.json)
    assert letters_to(app, f"x{name}@example.org") == []


# Addresses


def test_an_address_is_verified_with_the_letters_token_once(app, guest, name):
    register(guest, name)
    token, client = token_in(letters_to(app, f"{name}@example.org")[-1]), signed_in(app, name)
    assert client.post("/auth/verify-email", {"token": token}).json == {"email_verified": True}
    stored = app.services.db["users"].find_one({"username": name})
    assert stored["email"] == f"{name}@example.org" and stored["email_verified"] is True
    assert client.post("/auth/verify-email", {"token": token}).status_code == 400


def test_registering_with_anothers_address_tells_nothing_and_gains_nothing(app, guest, name):
    address = f"{name}@example.org"
    register(guest, name)
    verify(app, name, address)
    fresh, known = register(guest, "y" + name, f"y{name}@example.org"), register(guest, "x" + name, address)
    assert fresh.status_code == known.status_code == 201 and set(fresh.json) == set(known.json)
    assert letters_to(app, address)[-1]["Subject"] == "You already have an account"
    assert login(guest, address).status_code == 200
    assert app.services.db["users"].find_one({"username": "x" + name})["email_verified"] is False


def test_of_two_who_claim_an_address_the_one_that_answers_the_letter_gets_it(app, guest, name):
    address = f"{name}@example.org"
    register(guest, name, address)
    register(guest, "x" + name, address)
    mine, theirs = (token_in(mail) for mail in letters_to(app, address)[-2:])
    assert signed_in(app, "x" + name).post("/auth/verify-email", {"token": theirs}).status_code == 200
    late = signed_in(app, name).post("/auth/verify-email", {"token": mine})
    assert late.status_code == 400 and late.json["reason"] == "invalid_token"


def test_of_two_who_answer_at_once_one_gets_the_address(app, guest, name, monkeypatch):
    """The other's claim was looked at before it was dropped: the unique index decides."""
    address = f"{name}@example.org"
    register(guest, name, address)
    register(guest, "x" + name, address)
    mine, theirs = (token_in(mail) for mail in letters_to(app, address)[-2:])
    change = app.store.change

    def slowly(*arguments, **more):
        monkeypatch.undo()
        assert signed_in(app, "x" + name).post("/auth/verify-email", {"token": theirs}).status_code == 200
        return change(*arguments, **more)

    client = signed_in(app, name)
    monkeypatch.setattr(app.store, "change", slowly)
    late = client.post("/auth/verify-email", {"token": mine})
    assert late.status_code == 409 and late.json["reason"] == "email_taken"


def test_a_changed_address_counts_once_it_is_verified_and_the_old_one_is_told(app, guest, name):
    old, new = f"{name}@example.org", f"{name}@example.net"
    register(guest, name)
    verify(app, name, old)
    client = signed_in(app, name)
    assert client.post("/me/email", {"email": new, "password": PASSWORD}).status_code == 202
    assert app.services.db["users"].find_one({"username": name})["email"] == old
    verify(app, name, new)
    assert app.services.db["users"].find_one({"username": name})["email"] == new
    assert letters_to(app, old)[-1]["Subject"] == "Your address was changed"


def test_changing_the_address_takes_the_password(user):
    answer = user.post("/me/email", {"email": "new@example.org", "password": "wrong password"})
    assert answer.status_code == 403
