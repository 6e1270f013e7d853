"""What is limited is what is attacked: the account, the recipient, the video, the credential, not who asks."""

import itertools
from dataclasses import replace

import jwt
import pytest
from bson import ObjectId
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import create_app
from services import accounts
from services.apikeys import is_api_key
from tests.audience import flush, make_video, make_watchable
from tests.conftest import PASSWORD, Client, sign_up

ADDRESSES = itertools.count(1)


@pytest.fixture(scope="module")
def counting(app):
    """The same data behind an application that counts."""
    counting = create_app(replace(app.settings, rate_limits=True))
    yield counting
    counting.services.close()


@pytest.fixture(autouse=True)
def uncounted(app):
    app.services.redis.flushdb()


def somewhere():
    """An address nobody has used yet."""
    number = next(ADDRESSES)
    return {"REMOTE_ADDR": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}


def ask(app, method, path, json=None, token=None, address=None, **headers):
    """Ask from an address, a new one unless stated."""
    return Client(app, token).call(method, path, json, headers=headers, environ_base=address or somewhere())


def sign_in(app, login, password, address=None):
    body = {"login": login, "password": password}
    return ask(app, "POST", "/auth/login", body, address=address).status_code


def register(app, name, email):
    body = {"username": name, "email": email, "password": PASSWORD}
    assert ask(app, "POST", "/auth/register", body).status_code == 201


def verified(app, name):
    """Somebody who owns an address, and the address."""
    client = sign_up(app, name)
    email = f"{name}@example.org"
    app.services.db["users"].update_one(
        {"_id": client.user["_id"]}, {"$set": {"email": email, "email_key": email}}
    )
    app.services.db["credentials"].update_one(
        {"_id": client.user["_id"]}, {"$unset": {"claim": "", "claim_key": ""}}
    )
    return client, email


def letters_owed(app, *users):
    subjects = {"subject.id": {"$in": [user.user["_id"] for user in users]}}
    return app.services.db["jobs"].count_documents({"type": "mail", **subjects})


def queries(app, collection):
    """How often MongoDB was asked for documents of a collection."""
    totals = app.services.mongo.admin.command("top")["totals"]
    found = totals.get(f"{app.settings.database}.{collection}") or {"queries": {"count": 0}}
    return found["queries"]["count"]


# Sign-in


def test_who_claims_the_address_of_another_does_not_reset_what_was_guessed_at_it(app, counting, name):
    _, email = verified(app, name)
    register(app, "x" + name, email)
    statuses = []
    for _ in range(4):
        statuses += [sign_in(counting, email, "wrong password") for _ in range(7)]
        sign_in(counting, email, PASSWORD)
    assert statuses.count(401) <= 10 and 429 in statuses


def test_ones_own_success_forgives_what_one_failed_oneself_and_not_what_others_did(app, counting, name):
    sign_up(app, name)
    home = somewhere()
    for _ in range(4):
        assert sign_in(counting, name, "wrong password") == 401
    for _ in range(5):
        assert sign_in(counting, name, "wrong password", home) == 401
        assert sign_in(counting, name, PASSWORD, home) == 200
    statuses = [sign_in(counting, name, "wrong password") for _ in range(7)]
    assert statuses == [401] * 6 + [429]


# Letters


def test_letters_to_one_address_are_counted_over_all_accounts(app, counting, name):
    senders, target = [sign_up(app, f"{name}{n}") for n in range(4)], f"{name}@example.net"
    for sender in senders:
        accounts.claim_address(app.services, sender.user["_id"], target)
    before = letters_owed(app, *senders)
    statuses = []
    for _ in range(5):
        for sender in senders:
            body = {"email": target, "password": PASSWORD}
            statuses.append(ask(counting, "POST", "/me/email", body, sender.token).status_code)
            statuses.append(ask(counting, "POST", "/me/verify-email", None, sender.token).status_code)
    assert 429 in statuses
    assert letters_owed(app, *senders) - before <= 5


# Videos


def test_wrong_passwords_of_a_video_are_counted_over_all_accounts_and_addresses(app, counting, alice, name):
    video = make_watchable(alice)
    alice.put(f"/videos/{video}/password", {"password": "open sesame"})
    guessers = [sign_up(app, f"{name}{n}").token for n in range(3)]
    statuses = [
        ask(counting, "POST", f"/videos/{video}/unlock", {"password": f"guess {n} {m}"}, token).status_code
        for n in range(19)
        for m, token in enumerate(guessers)
    ]
    assert 429 in statuses and statuses.count(403) <= 30


@pytest.mark.parametrize("password", ["1234", "1234567", "aaaaaaaaaa"])
def test_password_of_a_video_must_be_worth_the_name(alice, password):
    video = make_watchable(alice)
    answer = alice.put(f"/videos/{video}/password", {"password": password})
    assert answer.status_code == 422 and "password" in answer.json["issues"]


# Credentials


def wrong_key():
    key = f"mqk_{ObjectId()}_{'x' * 43}"
    assert is_api_key(key)
    return key


def token_of_unknown_key(kid="0123456789abcdef"):
    return jwt.encode({"sub": "x"}, Ed25519PrivateKey.generate(), "EdDSA", {"typ": "at+jwt", "kid": kid})


def test_wrong_keys_from_one_address_are_limited_before_they_are_looked_up(counting):
    before, address = queries(counting, "api_key_hashes"), somewhere()
    statuses = [
        ask(counting, "GET", "/me", token=wrong_key(), address=address).status_code for _ in range(300)
    ]
    assert statuses[0] == 401 and statuses[-1] == 429
    assert queries(counting, "api_key_hashes") - before <= statuses.count(401) <= 60


def test_one_wrong_key_is_looked_up_once_in_a_while_from_however_many_addresses(counting):
    before, key = queries(counting, "api_key_hashes"), wrong_key()
    statuses = [ask(counting, "GET", "/me", token=key).status_code for _ in range(100)]
    assert queries(counting, "api_key_hashes") - before <= 2
    assert statuses[0] == 401 and statuses[-1] == 429


def test_unknown_kids_read_the_ring_once_in_a_while(counting, alice):
    ask(counting, "GET", "/me", token=alice.token)
    before = queries(counting, "signing_keys")
    for n in range(100):
        assert ask(counting, "GET", "/me", token=token_of_unknown_key(f"{n:016x}")).status_code == 401
    assert queries(counting, "signing_keys") - before <= 3


# Views


def beat(app, video, agent, address, token=None):
    headers = {"User-Agent": agent}
    return ask(app, "POST", f"/videos/{video}/views", {"position": 0}, token, address, **headers).json


def test_thirty_agents_behind_one_address_are_not_thirty_views(app, alice, name):
    video, address = make_video(alice), somewhere()
    answers = [beat(app, video, f"agent {n}", address) for n in range(30)]
    cap = alice.get("/view-policy").json["address_views_per_day"]
    assert 12 <= cap < 30
    assert sum(one["counted"] for one in answers) == cap
    assert {one["reason"] for one in answers} == {"counted", "held"}
    flush(app)
    totals = alice.get(f"/videos/{video}/stats").json["totals"]
    assert (totals["views"], totals["views_held"]) == (cap, 30 - cap)
