"""What is limited is what is attacked: the account, the recipient, the video, the credential, not who asks."""

import ast
import itertools
import re
import time
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from bson import ObjectId
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assembly import create_app
from features.backend import Backend
from features.identity import accounts, letters
from features.identity.api_keys import MISSING, is_api_key
from machine.access.rates import ADDRESS, CALLER, RATES
from tests.audience import flush, make_video, make_watchable
from tests.conftest import PASSWORD, Client, sign_up
from tests.field_reports import reported
from tests.identity import forge, letters_to

ADDRESSES = itertools.count(1)
MINE = "what the attacker chose"


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


def register(app, name, email, password=PASSWORD):
    body = {"username": name, "email": email, "password": password}
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
    register(app, "x" + name, email, MINE)
    statuses, home = [], somewhere()
    for _ in range(4):
        statuses += [sign_in(counting, email, "wrong password", home) for _ in range(7)]
        sign_in(counting, email, MINE, home)
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


@pytest.mark.parametrize("password", ["1234", "1234567", "aaaaaaaaaa", "A public title"])
def test_password_of_a_video_must_be_worth_the_name(alice, password):
    video = make_watchable(alice, title="A Public Title")
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
    assert statuses[0] == 401 and 429 in statuses
    # Twice the quota where a minute ended on the way.
    assert queries(counting, "api_key_hashes") - before <= statuses.count(401) <= 120


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


@reported(
    "Views",
    "Four hundred user agents behind one address are as many views",
    sent="heartbeats of 30 agents from one address, of one video, on one day",
    back="`counted` up to `VIEW_ADDRESS_DAILY` (24), then `held`; `stats` say the rest as `views_held`",
)
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


@reported(
    "Views",
    "A limit for an address shuts a school out",
    sent="heartbeats of twelve pupils and of three who are signed in, from one address",
    back="`counted` for each of them",
)
def test_everybody_behind_the_address_of_a_school_counts(counting, alice, name):
    video, school = make_video(alice), somewhere()
    pupils = [sign_up(counting, f"{name}{n}").token for n in range(3)]
    assert all(beat(counting, video, f"agent {n}", school)["counted"] for n in range(12))
    assert all(beat(counting, video, "one browser for all", school, token)["counted"] for token in pupils)


def test_crowd_of_agents_keeps_no_viewer_out_who_is_signed_in(counting, alice, bob):
    video, address = make_video(alice), somewhere()
    answers = [beat(counting, video, f"agent {n}", address)["reason"] for n in range(30)]
    assert answers[-1] == "held" and beat(counting, video, "agent 31", address, bob.token)["counted"]


def test_crowd_of_accounts_behind_one_address_is_held_likewise(app, alice, cap=3):
    views, video = app.services.views, ObjectId(make_video(alice))
    services = Backend(replace(app.settings, view_address_daily=cap))
    counted = [
        services.views.beat(video, 60, views.viewer(ObjectId(), "2001:db8::1", ""), 0) for _ in range(cap + 2)
    ]
    assert [one.counted for one in counted] == [True] * cap + [False] * 2
    neighbour = services.views.beat(video, 60, views.viewer(ObjectId(), "2001:db8::ffff", ""), 0)
    assert (neighbour.counted, neighbour.reason) == (False, "held"), "one customer has a /64"
    assert services.views.beat(video, 60, views.viewer(ObjectId(), "2001:db8:0:1::1", ""), 0).counted
    assert services.views.beat(ObjectId(), 60, views.viewer(ObjectId(), "2001:db8::1", ""), 0).counted
    services.close()


def test_held_view_adds_to_nothing_but_what_is_held(app, alice):
    video, start = ObjectId(make_video(alice, duration=100.0)), 1_800_000_000_000
    services = Backend(replace(app.settings, view_address_daily=1))
    for agent in ("one", "two"):
        viewer = services.views.viewer(None, "192.0.2.1", agent)
        for second in range(0, 60, 10):
            services.views.beat(video, 100, viewer, second, start + second * 1000)
    flush(app)
    (day,) = app.services.db["video_stats"].find({"video": video})
    assert (day["views"], day["views_held"], day["engaged_views"], day["watch_ms"]) == (1, 1, 1, 50_000)
    assert day["reached"]["t0"] == 1
    services.close()


def test_cap_of_zero_is_none(app, alice):
    video, services = ObjectId(make_video(alice)), Backend(replace(app.settings, view_address_daily=0))
    assert all(
        services.views.beat(video, 60, services.views.viewer(None, "192.0.2.2", f"{n}"), 0).counted
        for n in range(50)
    )
    services.close()


def test_no_address_of_a_viewer_is_kept_in_redis(app, alice):
    app.services.redis.flushdb()
    video, redis = make_video(alice), app.services.redis
    beat(app, video, "an agent", {"REMOTE_ADDR": "203.0.113.77"})
    dumped = b"".join(key + (redis.dump(key) or b"") for key in redis.scan_iter("view*"))
    assert b"views:from:" in dumped and b"203.0.113" not in dumped


def test_letters_follow_no_claim_that_was_changed_after_they_were_counted(app, name):
    user, target = sign_up(app, name), f"{name}@example.net"
    client = Client(app, user.token)
    for n in range(3):
        body = {"email": f"{name}{n}@example.net", "password": PASSWORD}
        assert client.post("/me/email", body).status_code == 202
    accounts.claim_address(app.services, user.user["_id"], target)
    assert not letters_to(app, target)


def test_signing_up_goes_on_where_no_more_letters_are_sent(app, counting, name):
    email = f"{name}@example.net"
    for n in range(8):
        register(counting, f"{name}{n}", email)
    assert len(letters_to(app, email)) == 5


def test_notices_of_accounts_that_claim_an_address_are_counted_too(app, counting, name):
    email = f"{name}@example.net"
    for n in range(8):
        user = sign_up(app, f"{name}{n}")
        accounts.claim_address(app.services, user.user["_id"], email)
        letters.owe(counting.services, letters.PASSWORD_CHANGED, user.user["_id"])
    assert len(letters_to(counting, email)) == 5


def test_owner_signs_in_by_address_as_often_as_he_likes_beside_a_claim(app, counting, name):
    _, email = verified(app, name)
    register(app, "x" + name, email, MINE)
    home = somewhere()
    assert {sign_in(counting, email, PASSWORD, home) for _ in range(12)} == {200}


def test_guesses_at_a_name_do_not_tell_its_address(app, counting, name):
    _, email = verified(app, name)
    for _ in range(11):
        last = sign_in(counting, name, "wrong password")
    assert last == 429 and sign_in(counting, email, "wrong password") == 401


def test_right_credentials_pass_beside_false_ones(counting, app, name):
    user, home = sign_up(app, name), somewhere()
    made = user.post("/api_keys", {"name": "k", "scopes": ["videos:read"]}).json["key"]
    assert ask(counting, "GET", "/videos", token=made, address=home).status_code == 200
    for _ in range(70):
        last = ask(counting, "GET", "/me", token=wrong_key(), address=home).status_code
    assert last == 429
    assert ask(counting, "GET", "/videos", token=made, address=home).status_code == 200
    assert ask(counting, "GET", "/me", token=user.token, address=home).status_code == 200


def test_expired_token_of_ours_is_no_false_one(app, counting, name):
    claims = app.services.tokens.verify(sign_up(app, name).token)
    ids, home = {"sub": str(claims.user), "sid": str(claims.session)}, somewhere()
    for n in range(70):
        token = forge(app, exp=int(time.time()) - 60, jti=f"{n}", **ids)
        assert ask(counting, "GET", "/me", token=token, address=home).status_code == 401


def test_false_credential_is_counted_once_by_front_and_application(counting):
    for _ in range(3):
        home, minute = somewhere(), time.time() // 60
        statuses = [
            ask(counting, "GET", "/videos", token=wrong_key(), address=home).status_code for _ in range(62)
        ]
        if time.time() // 60 == minute:
            break
    assert statuses == [401] * 60 + [429] * 2


def test_what_is_remembered_of_missing_keys_has_a_bound(app):
    keys = app.services.tokens.api_keys
    for n in range(MISSING + 10):
        keys.note_missing(f"{n}")
    assert len(keys.missing) == MISSING


def test_refusal_of_false_credentials_says_when_to_come_back(counting):
    home = somewhere()
    for _ in range(61):
        answer = ask(counting, "GET", "/me", token=wrong_key(), address=home)
    assert answer.status_code == 429 and answer.json["reason"] == "rate_limited"
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit-Policy"] == '"credential";q=60;w=60'


def test_every_letter_that_can_be_asked_for_is_counted_where_it_is_owed():
    """Whoever writes another route that has a letter sent is to count it against its recipient."""
    owing = {
        f"{path.name}:{one.name}": ast.unparse(one)
        for path in Path("features").rglob("*routes.py")
        for one in ast.walk(ast.parse(path.read_text()))
        if isinstance(one, ast.FunctionDef)
        and re.search(r"letters\.owe\(.*letters\.(VERIFY|RESET)", ast.unparse(one))
    }
    assert len(owing) >= 4
    counts = re.compile(r"limit_use\('letter', recipient=|may_write_to\(")
    assert [name for name, text in owing.items() if not counts.search(text)] == []


def test_every_route_and_resource_declares_a_class_that_counts_who_asks(app):
    specs = [getattr(view, "spec", None) for view in app.view_functions.values()]
    classes = {spec.rate for spec in specs if spec is not None} | {one.rate for one in app.registry}
    asking = {name for name, declared in RATES.items() if declared.per(CALLER) or declared.per(ADDRESS)}
    assert len(classes) > 8 and classes - {None} <= asking
