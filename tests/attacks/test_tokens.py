"""Attacks on tokens: each is refused in the one error shape, with a challenge, and changes nothing."""

import base64
import hmac
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from features.identity.tokens import MAX_LENGTH
from tests.conftest import Client, sign_up
from tests.identity import PASSWORD, forge


@pytest.fixture(scope="module")
def victim(app):
    return sign_up(app, "victim", "admin")


@pytest.fixture(scope="module")
def ids(app, victim):
    """Claims that would be right in every part, had we signed them."""
    claims = app.services.tokens.verify(victim.token)
    return {"sub": str(claims.user), "sid": str(claims.session), "roles": ["admin"]}


def refused(answer):
    """Check the one error shape and the challenge of a 401."""
    assert answer.status_code == 401, answer.text
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json["status"] == 401 and answer.json["reason"] in ("invalid_token", "unauthenticated")
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    return True


def ask(app, token):
    return Client(app, token).get("/me")


def part(value):
    return base64url_encode(json.dumps(value).encode()).decode()


def unsigned(app, ids, alg, signature="", **headers):
    """Build a token of any header, with claims that would be right."""
    now = int(time.time())
    claims = {
        "iss": app.settings.public_url, "aud": "marquee", "jti": "x", "iat": now, "nbf": now, "exp": now + 600, **ids
    }  # fmt: skip
    kid = app.services.tokens.ring.signing()[0].kid
    return f"{part({'alg': alg, 'typ': 'at+jwt', 'kid': kid, **headers})}.{part(claims)}.{signature}"


def test_the_hand_made_token_works_where_nothing_is_wrong_with_it(app, ids):
    assert ask(app, forge(app, **ids)).status_code == 200


# The header


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "NoNe", ""])
def test_a_token_without_an_algorithm_is_refused(app, ids, alg):
    assert refused(ask(app, unsigned(app, ids, alg)))
    assert refused(ask(app, unsigned(app, ids, alg, signature="AAAA")))


def test_a_token_signed_with_our_public_key_as_a_secret_is_refused(app, ids):
    key = app.services.tokens.ring.signing()[0].public
    secrets = [key.public_bytes(Encoding.Raw, PublicFormat.Raw)]
    secrets += [key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), b""]
    for secret in secrets:
        body = unsigned(app, ids, "HS256").removesuffix(".")
        signature = base64url_encode(hmac.digest(secret, body.encode(), "sha256")).decode()
        assert refused(ask(app, f"{body}.{signature}"))


@pytest.mark.parametrize("alg", ["HS256", "RS256", "ES256", "PS256", "Ed448", "eddsa", 5, None, ["EdDSA"]])
def test_the_algorithm_is_never_taken_from_the_token(app, ids, alg):
    signature = forge(app, **ids).rsplit(".", 1)[1]
    assert refused(ask(app, unsigned(app, ids, alg, signature)))


def test_a_token_of_a_foreign_key_is_refused_whatever_kid_it_names(app, ids):
    foreign = Ed25519PrivateKey.generate()
    assert refused(ask(app, forge(app, key=foreign, **ids)))
    assert refused(ask(app, forge(app, key=foreign, headers={"kid": "0" * 16}, **ids)))


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/etc/passwd",
        "x' OR '1'='1",
        '{"$ne": null}',
        "ring",
        "$where",
        "\u0000" * 16,
        "",
        "a" * 500,
        "٠" * 16,
    ],
)
def test_a_kid_is_a_name_and_never_a_path_or_a_query(app, ids, kid):
    assert refused(ask(app, forge(app, headers={"kid": kid}, **ids)))


@pytest.mark.parametrize("kid", [None, 5, ["a"], {"$ne": None}])
def test_a_kid_of_another_type_is_refused(app, ids, kid):
    assert refused(ask(app, unsigned(app, ids, "EdDSA", "AAAA", kid=kid)))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c", "crit", "b64", "zip", "cty"])
def test_a_token_cannot_bring_its_own_key_or_rules(app, ids, name):
    key = Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    values = {
        "jwk": {"kty": "OKP", "crv": "Ed25519", "x": base64url_encode(raw).decode()},
        "crit": ["exp"],
        "x5c": ["AAAA"],
    }
    value = values.get(name, "http://127.0.0.1:9/keys")
    assert refused(ask(app, forge(app, key=key, headers={name: value}, **ids)))
    assert refused(ask(app, unsigned(app, ids, "EdDSA", "AAAA", **{name: value})))


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "id_token+jwt", "at+JWT ", "", 5])
def test_another_kind_of_token_is_refused(app, ids, typ):
    assert refused(ask(app, unsigned(app, ids, "EdDSA", "AAAA", typ=typ)))
    if typ is None or isinstance(typ, str):
        assert refused(ask(app, forge(app, headers={"typ": typ}, **ids)))


# The claims


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": ["marquee"]},
        {"aud": ["marquee", "another"]},
        {"aud": None},
        {"iss": "https://elsewhere.example.org"},
        {"iss": None},
        {"exp": None},
        {"exp": 0},
        {"exp": -1},
        {"exp": 1.5e9},
        {"exp": "9999999999"},
        {"exp": 9999999999.5},
        {"exp": True},
        {"exp": [9999999999]},
        {"exp": 10**400},
        {"nbf": None},
        {"nbf": 9999999999},
        {"nbf": "0"},
        {"iat": None},
        {"iat": 9999999999},
        {"iat": "0"},
        {"jti": None},
        {"sid": None},
        {"sid": "x"},
        {"sid": {"$ne": None}},
        {"sid": "0" * 24},
        {"sub": None},
        {"sub": "x"},
        {"sub": "A" * 24},
        {"sub": 5},
        {"sub": "0" * 24},
    ],
    ids=lambda claims: "-".join(f"{name}={str(value)[:20]}" for name, value in claims.items()),
)
def test_a_token_with_a_wrong_claim_is_refused(app, ids, claims):
    assert refused(ask(app, forge(app, **{**ids, **claims})))


@pytest.mark.parametrize(("ahead", "accepted"), [(240, True), (400, False)])
def test_a_token_of_an_instance_whose_clock_is_a_little_ahead_is_good(app, ids, ahead, accepted):
    """Two instances at two minutes either side of the time are four apart."""
    now = int(time.time()) + ahead
    answer = ask(app, forge(app, **{**ids, "iat": now, "nbf": now, "exp": now + 600}))
    assert answer.status_code == 200 if accepted else refused(answer)


def test_a_role_written_into_a_token_gives_nothing(app, alice):
    claims = app.services.tokens.verify(alice.token)
    token = forge(app, sub=str(claims.user), sid=str(claims.session), roles=["admin"])
    assert ask(app, token).json["role"] == "user"
    assert Client(app, token).get("/audit_log").status_code == 403


# The form


def test_a_trimmed_or_bent_signature_is_refused(app, victim):
    body, signature = victim.token.rsplit(".", 1)
    for bent in (
        "",
        signature[:-1],
        signature[:-2],
        signature[:-10],
        signature + "A",
        signature + "=",
        "A" * 86,
    ):
        assert refused(ask(app, f"{body}.{bent}"))


def test_a_signature_has_one_spelling(app, victim):
    """Its last letter carries four spare bits: fifteen other spellings decode to the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    body, signature = victim.token.rsplit(".", 1)
    decoded = base64.urlsafe_b64decode(signature + "==")
    twins = [signature[:-1] + one for one in alphabet if one != signature[-1]]
    twins = [twin for twin in twins if base64.urlsafe_b64decode(twin + "==") == decoded]
    assert len(twins) == 15
    for twin in twins:
        assert refused(ask(app, f"{body}.{twin}"))


@pytest.mark.parametrize(
    "token",
    [
        "x", "..", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e", ".", "e30.e30.e30", "bnVsbA.bnVsbA.AAAA", "W10.W10.AAAA",
        "mqk_", "mqk_" + "0" * 24 + "_" + "A" * 43, "mqr_" + "A" * 43, "A" * (MAX_LENGTH + 1), "%00", "null", "[]",
    ],
    ids=lambda token: token[:20],
)  # fmt: skip
def test_junk_is_refused(app, token):
    assert refused(ask(app, token))


def test_deeply_nested_parts_are_refused(app):
    deep = base64url_encode(b"[" * 800).decode()
    assert refused(ask(app, f"{deep}.e30.AAAA"))
    assert refused(ask(app, f"{part({'alg': 'EdDSA'})}.{deep}.AAAA"))


# One credential in the place of another


def test_a_refresh_token_is_no_access_token(app, victim):
    answer = Client(app).post("/auth/login", {"login": "victim", "password": PASSWORD})
    assert refused(ask(app, answer.json["refresh_token"]))


def test_an_access_token_is_no_refresh_token(app, victim):
    assert refused(Client(app).post("/auth/refresh", {"refresh_token": victim.token[:200]}))


def test_an_api_key_is_no_password_and_a_password_no_key(app, victim):
    key = victim.post("/api_keys", {"name": "ci", "scopes": ["users:read"]}).json["key"]
    answer = Client(app).post("/auth/login", {"login": "victim", "password": key})
    assert answer.status_code == 401 and answer.json["reason"] == "invalid_credentials"
    assert refused(ask(app, PASSWORD.replace(" ", "")))


def test_an_api_key_is_no_refresh_token(app, victim):
    key = victim.post("/api_keys", {"name": "ci", "scopes": ["users:read"]}).json["key"]
    assert refused(Client(app).post("/auth/refresh", {"refresh_token": key}))


# The Authorization header


@pytest.mark.parametrize(
    "header",
    [
        "Foo {token}",
        "Token {token}",
        "JWT {token}",
        "{token}",
        "Bearer",
        "Bearer ",
        "Bearer  {token}",
        "Bearer {token} {token}",
        "Bearer {token},Bearer {token}",
        "Bearer {token}, Basic eDp5",
        "Basic eDp5",
        "Digest username=x",
        "Bearer\t{token}",
        "Bearer: {token}",
        "",
        " ",
    ],
)
def test_only_one_bearer_token_is_accepted(app, victim, header):
    headers = {"Authorization": header.format(token=victim.token)}
    assert refused(Client(app).get("/me", headers=headers))


def test_two_authorization_headers_are_refused(app, victim):
    headers = [("Authorization", f"Bearer {victim.token}"), ("Authorization", "Bearer x")]
    assert refused(app.test_client().get("/api/v1/me", headers=headers))


def test_a_bad_token_is_refused_where_none_is_needed(app):
    assert refused(Client(app, "x").get("/users"))


@pytest.mark.parametrize(
    "where", ["?access_token={token}", "?token={token}", "?authorization=Bearer%20{token}"]
)
def test_a_token_in_the_url_is_no_token(app, victim, where):
    answer = Client(app).get("/me" + where.format(token=victim.token))
    assert answer.status_code in (400, 401)


def test_a_token_in_a_cookie_is_no_token(app, victim):
    client = app.test_client()
    client.set_cookie("access_token", victim.token)
    assert refused(client.get("/api/v1/me"))


def test_a_refused_token_changes_nothing(app, victim):
    before = app.store.get("users", victim.user["_id"])
    headers = {"If-Match": "*", "Authorization": f"Bearer {victim.token}x"}
    assert refused(Client(app).call("PATCH", "/me", json={"display_name": "Mallory"}, headers=headers))
    assert app.store.get("users", victim.user["_id"]) == before
