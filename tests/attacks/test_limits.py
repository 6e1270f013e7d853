"""Every class of rate × everything it protects: whatever else an attacker changes, what is protected stays so.

The families come from the table of rates. Each is tried at the limiter itself and through the API, with Redis and
without; where success forgives, also with every kind of success that is not the one which counts.
"""

import itertools
import secrets
import time
from collections import Counter
from dataclasses import replace
from functools import partial

import pyotp
import pytest
from bson import ObjectId

from assembly import create_app
from features.backend import Backend
from features.identity import accounts, totp
from machine.access.limiter import Limiter
from machine.access.rates import NAMED, RATES, strict
from tests.audience import make_watchable
from tests.conftest import PASSWORD, Client, sign_up

NOWHERE = "redis://127.0.0.1:1/0"
PROTECTED = sorted({(name, rate.per) for name, declared in RATES.items() for rate in declared.rates})
FORGIVEN = sorted(
    {(name, rate.per) for name, declared in RATES.items() for rate in declared.rates if rate.forgiven}
)
SMALL, MANY = 6, 100_000
NUMBERS = itertools.count(1)


def fresh():
    """An address of a network of its own."""
    number = next(NUMBERS)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def hosts():
    """Addresses of one customer: a /64."""
    network = f"2001:db8:{next(NUMBERS):x}"
    return (f"{network}::{host:x}" for host in itertools.count(1))


def spellings(text):
    """Ways to write what is one name in our eyes. The last is the Kelvin sign, which folds to a k."""
    return itertools.cycle([text, text.upper(), text.title(), text.swapcase(), text.replace("k", "\u212a")])


@pytest.fixture(params=["with Redis", "without Redis"])
def redis_url(request, app):
    app.services.redis.flushdb()
    return app.settings.redis_url if request.param == "with Redis" else NOWHERE


# The limiter itself


@pytest.fixture
def limiter(app, redis_url):
    services = Backend(replace(app.settings, rate_limits=True, redis_url=redis_url))
    yield Limiter(services)
    services.close()


def quota_of(rate_class, per, redis_url):
    declared = RATES[rate_class]
    alone = declared.exact and redis_url == NOWHERE
    return min((strict(rate) if alone else rate).quota for rate in declared.per(per))


def attempts(limiter, rate_class, per, subject):
    """Endless attempts at one subject, all else changing."""
    names, addresses = spellings(subject), hosts()
    for _ in itertools.count():
        if per == "address":
            yield limiter.hit(rate_class, secrets.token_hex(12), next(addresses)).allowed
        elif per == "caller":
            yield limiter.hit(rate_class, subject, fresh()).allowed
        else:
            yield limiter.hit(rate_class, secrets.token_hex(12), fresh(), **{per: next(names)}).allowed


def in_one_window(work):
    """Do it again where a minute ended on the way: fixed windows begin anew with it."""
    for _ in range(3):
        minute, done = time.time() // 60, work()
        if time.time() // 60 == minute:
            break
    return done


@pytest.mark.parametrize("rate_class, per", PROTECTED)
def test_the_limit_holds_whatever_else_changes(limiter, redis_url, rate_class, per, record_property):
    quota = quota_of(rate_class, per, redis_url)

    def spend():
        tries = attempts(limiter, rate_class, per, "kk" + secrets.token_hex(8))
        return [next(tries) for _ in range(quota + 5)]

    allowed = in_one_window(spend)
    assert allowed == [True] * quota + [False] * 5
    assert next(attempts(limiter, rate_class, per, "another")), "what is attacked elsewhere is another matter"
    record_property("tried", len(allowed))


def successes(rate_class, per, subject, attacker):
    """Somebody else proves the right to the same; the attacker proves his to anything else, of every class."""
    yield rate_class, fresh(), {per if per in NAMED else "account": subject}
    for name in RATES:
        for kind in sorted(NAMED):
            yield name, attacker, {kind: "of the attacker"}
            if (name, kind) != (rate_class, per):
                yield name, attacker, {kind: subject}


@pytest.mark.parametrize("rate_class, per", PROTECTED)
def test_no_success_elsewhere_gives_anything_back(limiter, redis_url, rate_class, per, record_property):
    quota, attacker = quota_of(rate_class, per, redis_url), fresh()

    def spend_and_succeed():
        subject = "kk" + secrets.token_hex(8)
        protected = {per: subject} if per in NAMED else {}
        hit = partial(
            limiter.hit, rate_class, subject, attacker if per != "address" else fresh(), **protected
        )
        spent = [hit().allowed for _ in range(quota)]
        for name, address, other in successes(rate_class, per, subject, attacker):
            limiter.forgive(name, address, **other)
            spent.append(hit().allowed)
        return spent

    spent = in_one_window(spend_and_succeed)
    assert spent[:quota] == [True] * quota and not any(spent[quota:])
    record_property("tried", len(spent) - quota)


@pytest.mark.parametrize("rate_class, per", [one for one in PROTECTED if one[1] in NAMED])
def test_only_what_is_declared_forgiven_is_given_back(limiter, redis_url, rate_class, per, record_property):
    quota, subject, owner = quota_of(rate_class, per, redis_url), secrets.token_hex(8), fresh()

    def prove():
        for n in range(quota):
            limiter.hit(rate_class, None, owner if n % 2 else fresh(), **{per: subject})
        limiter.forgive(rate_class, owner, **{per: subject})
        return sum(limiter.hit(rate_class, None, fresh(), **{per: subject}).allowed for _ in range(quota))

    assert in_one_window(prove) == (quota // 2 if (rate_class, per) in FORGIVEN else 0)
    record_property("tried", quota)


# Through the API


@pytest.fixture
def world(app, redis_url, monkeypatch, request):
    """The application that counts, with a small quota for the one thing that is tried."""
    rate_class, per = request.getfixturevalue("rate_class"), request.getfixturevalue("per")
    for name, declared in RATES.items():
        rates = [replace(rate, quota=SMALL if (name, rate.per) == (rate_class, per) else MANY)
                 for rate in declared.rates]  # fmt: skip
        monkeypatch.setitem(RATES, name, replace(declared, rates=tuple(rates)))
    counting = create_app(replace(app.settings, rate_limits=True, redis_url=redis_url))
    yield World(app, counting)
    counting.services.close()


class World:
    """Makes what is attacked with the application that does not count, and attacks the one that does."""

    def __init__(self, free, counting):
        self.free, self.counting = free, counting

    def ask(self, method, path, json=None, token=None, address=None, **headers):
        client = Client(self.counting, token)
        environ = {"REMOTE_ADDR": address or fresh()}
        return client.call(method, path, json, headers=headers, environ_base=environ).status_code

    def user(self):
        """Somebody who owns an address with a k in it."""
        user = sign_up(self.free, "kk" + secrets.token_hex(6))
        email = f"{user.user['username']}@example.org"
        db, match = self.free.services.db, {"_id": user.user["_id"]}
        db["users"].update_one(match, {"$set": {"email": email, "email_key": email}})
        db["credentials"].update_one(match, {"$unset": {"claim": "", "claim_key": "", "claimed_at": ""}})
        user.email, user.name = email, user.user["username"]
        return user

    def claimant(self, email, password=PASSWORD):
        """Somebody who says that an address is his."""
        user = accounts.create(self.free.store, "kk" + secrets.token_hex(6), email, password)
        body = {"login": user["username"], "password": password}
        return Client(self.free, Client(self.free).post("/auth/login", body).json["access_token"], user)

    def again(self, user):
        """Another session of somebody."""
        body = {"login": user.user["username"], "password": PASSWORD}
        return Client(self.free).post("/auth/login", body).json["access_token"]

    def video(self):
        owner = self.user()
        video = make_watchable(owner)
        assert owner.put(f"/videos/{video}/password", {"password": "open sesame"}).status_code == 200
        return video

    def login(self, login, password="wrong password", address=None, **more):
        return self.ask(
            "POST", "/auth/login", {"login": login, "password": password, **more}, address=address
        )


def from_one_customer(send):
    """Attempts from all over one /64: `send(world, address, number)`."""

    def attack(world):
        addresses = hosts()
        return lambda: send(world, next(addresses), next(NUMBERS))

    return attack


def by_one_user(send):
    """Attempts of one user with many sessions from everywhere: `send(world, token)`."""

    def attack(world):
        user = world.user()
        tokens = itertools.cycle([user.token, world.again(user), world.again(user)])
        return lambda: send(world, next(tokens))

    return attack


def guess_at_a_name(world):
    names = spellings(world.user().name)
    return lambda: world.login(next(names))


def guess_at_an_address(world):
    emails = spellings(world.user().email)
    return lambda: world.login(next(emails))


def guess_at_an_address_that_one_claims(world):
    """In turns wrong guesses, and successes of ever new accounts that claim the address of the victim."""
    email, home, mine = world.user().email, fresh(), "what the attacker chose"

    def attempt():
        # At home all the while: what is forgiven is what was spent from there.
        world.claimant(email, mine)
        assert world.login(email, PASSWORD + "!", home) in (401, 429)
        return world.login(email, mine, home)

    return attempt


def guess_by_claims_alone(world):
    """Sign up with the address of the victim and the guess for a password: the sign-in after it is a guess."""
    email = world.user().email

    def attempt():
        guess, home = "a guess " + secrets.token_hex(4), fresh()
        world.claimant(email, guess)
        return world.login(email, guess, home)

    return attempt


def guess_the_password_of_a_session(world):
    user = world.user()
    wrong = {"password": "wrong password"}
    ways = itertools.cycle([
        ("POST", "/auth/password", {"current": "wrong password", "password": "a fine password"}),
        ("POST", "/me/email", {"email": "kk@example.net", **wrong}),
        ("POST", "/me/totp", wrong),
        ("DELETE", "/me", wrong),
    ])  # fmt: skip
    tokens = [user.token, world.again(user)]
    return lambda: world.ask(*next(ways), secrets.choice(tokens))


def guess_a_code(world):
    user = with_second_factor(world)
    names = itertools.chain.from_iterable(zip(spellings(user.name), spellings(user.email), strict=False))
    return lambda: world.login(next(names), PASSWORD, code="000000")


def with_second_factor(world):
    user, services = world.user(), world.free.services
    begun = totp.begin(services, accounts.read_credentials(services, user.user["_id"]), user.name)
    user.secret = begun["secret"]
    user.codes = totp.confirm(services, user.user["_id"], pyotp.TOTP(user.secret).now())
    return user


def have_letters_sent(world):
    """Letters of every kind that can be asked for, by ever new accounts, to one address however it is spelled."""
    target = world.user().email
    emails = spellings(target)

    def claim():
        return world.ask(
            "POST", "/me/email", {"email": next(ascii_), "password": PASSWORD}, world.user().token
        )

    def again():
        return world.ask("POST", "/me/verify-email", None, world.claimant(target).token)

    def forgot():
        return world.ask("POST", "/auth/forgot", {"email": next(emails)})

    ascii_, ways = (
        itertools.cycle([target, target.upper(), target.title()]),
        itertools.cycle([claim, again, forgot]),
    )
    return lambda: next(ways)()


def guess_the_password_of_a_video(world):
    video, tokens = world.video(), itertools.cycle([world.user().token, None, world.user().token, None])
    return lambda: world.ask("POST", f"/videos/{video}/unlock", {"password": "a guess"}, next(tokens))


def try_many_videos(world):
    videos = itertools.cycle([world.video() for _ in range(3)])
    return by_one_user(lambda world, token: world.ask(
        "POST", f"/videos/{next(videos)}/unlock", {"password": "a guess"}, token))(world)  # fmt: skip


def false_key():
    return f"mqk_{ObjectId()}_{secrets.token_urlsafe(32)}"


def send_one_false_credential(world):
    key, paths = false_key(), itertools.cycle(["/me", "/videos", "/channels", "/search?q=x"])
    return lambda: world.ask("GET", next(paths), token=key)


def send_false_credentials(world, address, number):
    """A key, a token of an unknown key, junk, another scheme: in turns, to routes and to resources."""
    path = ["/me", "/videos"][number % 2]
    token = [false_key(), "x.y.z", "a" * 50][number % 3]
    scheme = ["Bearer", "Basic"][number // 3 % 2]
    return world.ask("GET", path, address=address, Authorization=f"{scheme} {token}")


def nothing(resource, path=""):
    return f"/{resource}/{ObjectId()}{path}"


# How each thing that is protected is attacked, with everything else changing.
ATTACKS = {
    ("login", "address"): [from_one_customer(lambda world, at, n: world.login(f"kk{n}", address=at))],
    ("login", "account"): [
        guess_at_a_name, guess_at_an_address, guess_at_an_address_that_one_claims, guess_by_claims_alone,
    ],
    ("password", "account"): [guess_the_password_of_a_session],
    ("code", "account"): [guess_a_code],
    ("register", "address"): [from_one_customer(lambda world, at, n: world.ask(
        "POST", "/auth/register", {"username": f"kk{n}", "email": f"{n}@example.org", "password": "x"}, address=at))],
    ("reset", "address"): [from_one_customer(lambda world, at, n: world.ask(
        "POST", *[("/auth/forgot", {"email": f"{n}@example.org"}),
                  ("/auth/reset", {"token": f"{n}", "password": "a fine password"})][n % 2], address=at))],
    ("letter", "recipient"): [have_letters_sent],
    ("verify", "address"): [from_one_customer(lambda world, at, n: world.ask(
        "POST", "/auth/verify-email", {"token": f"{n}"}, address=at))],
    ("sensitive", "caller"): [by_one_user(lambda world, token: world.ask("POST", "/api_keys", {}, token))],
    ("unlock", "caller"): [try_many_videos],
    ("unlock", "video"): [guess_the_password_of_a_video],
    ("refresh", "address"): [from_one_customer(lambda world, at, n: world.ask(
        "POST", "/auth/refresh", {"refresh_token": f"{n}"}, address=at))],
    ("credential", "address"): [from_one_customer(send_false_credentials)],
    ("credential", "credential"): [send_one_false_credential],
    ("upload", "caller"): [by_one_user(lambda world, token: world.ask(
        "POST", nothing("videos", "/uploads"), {}, token))],
    ("piece", "caller"): [by_one_user(lambda world, token: world.ask("PATCH", nothing("uploads"), None, token))],
    ("write", "caller"): [by_one_user(lambda world, token: world.ask("PATCH", nothing("videos"), {}, token))],
    ("read", "caller"): [by_one_user(lambda world, token: world.ask(
        "GET", secrets.choice(["/me", "/videos", nothing("videos"), "/search?q=x"]), None, token))],
}  # fmt: skip


def test_every_thing_that_is_protected_is_attacked():
    assert set(ATTACKS) == set(PROTECTED)


@pytest.mark.parametrize("rate_class, per, attack", [
    pytest.param(*key, attack, id=f"{key[0]}-{key[1]}-{number}")
    for key, attacks in ATTACKS.items() for number, attack in enumerate(attacks)
])  # fmt: skip
def test_attack_is_stopped_at_the_quota(world, redis_url, rate_class, per, attack, record_property):
    quota = quota_of(rate_class, per, redis_url)

    def attack_once():
        attempt = attack(world)
        return [attempt() for _ in range(SMALL + 3)]

    statuses = in_one_window(attack_once)
    assert 429 not in statuses[:quota] or attack is guess_at_an_address_that_one_claims
    assert set(statuses[quota:]) == {429}, Counter(statuses)
    assert 500 not in statuses and 503 not in statuses
    record_property("tried", len(statuses))


# Success of the owner: how each right is proved, beside the attempts of others


def sign_in_by_name(world):
    user, home = world.user(), fresh()
    return lambda: world.login(user.name), lambda: world.login(user.name, PASSWORD, home)


def sign_in_by_address(world):
    user, home = world.user(), fresh()
    return lambda: world.login(user.email), lambda: world.login(user.email, PASSWORD, home)


def sign_in_with_a_code(world):
    user, home = with_second_factor(world), fresh()
    return (lambda: world.login(user.name, PASSWORD, code="000000"),
            lambda: world.login(user.name, PASSWORD, home, code=user.codes.pop()))  # fmt: skip


def give_the_password_again(world):
    user, home = world.user(), fresh()
    wrong = {"current": "wrong password", "password": PASSWORD}
    return (lambda: world.ask("POST", "/auth/password", wrong, user.token),
            lambda: world.ask("POST", "/me/totp", {"password": PASSWORD}, user.token, home))  # fmt: skip


def unlock_a_video(world):
    video, home = world.video(), fresh()
    path = f"/videos/{video}/unlock"
    return (lambda: world.ask("POST", path, {"password": "a guess"}),
            lambda: world.ask("POST", path, {"password": "open sesame"}, address=home))  # fmt: skip


PROOFS = {
    ("login", "account"): [sign_in_by_name, sign_in_by_address],
    ("code", "account"): [sign_in_with_a_code],
    ("password", "account"): [give_the_password_again],
    ("unlock", "video"): [unlock_a_video],
}


def test_every_right_that_forgives_is_proved():
    assert set(PROOFS) == set(FORGIVEN)


@pytest.mark.parametrize("rate_class, per, proof", [
    pytest.param(*key, proof, id=proof.__name__) for key, proofs in PROOFS.items() for proof in proofs
])  # fmt: skip
def test_success_of_the_owner_costs_nothing_and_does_not_help_who_guesses(
    world, redis_url, rate_class, per, proof, record_property
):
    quota = quota_of(rate_class, per, redis_url)
    attempt, succeed = proof(world)
    guesses = [attempt() for _ in range(quota - 1)]
    assert {succeed() for _ in range(SMALL + 1)} == {200}
    guesses += [attempt() for _ in range(3)]
    assert 429 not in guesses[:quota] and guesses[quota:] == [429, 429]
    record_property("tried", len(guesses) + SMALL + 1)
