"""Sign-in by an OpenID provider, against a real provider of a few routes on a loopback port."""

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from bson import ObjectId
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from pymongo.errors import AutoReconnect

from assembly import create_app
from features.identity.credentials import TAKEN_OVER, end_credentials
from tests.conftest import Client
from tests.identity import PASSWORD, letters_to, token_in

CLIENT, SECRET = "marquee", "a client's secret"


class Provider(ThreadingHTTPServer):
    """An OpenID provider that signs in whoever `person` says; `bend` changes its ID tokens, to lie."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.new_key()
        self.codes, self.person, self.bend = {}, {}, lambda claims, headers: None

    def new_key(self):
        self.key, self.kid = generate_private_key(65537, 2048), secrets.token_hex(4)

    def authorize(self, url):
        """Do what the browser and the person in front of it would do; return the way back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_hex(8)
        self.codes[code] = asked
        return {"state": asked["state"], "code": code}

    def id_token(self, asked):
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": asked["nonce"], **self.person
        }  # fmt: skip
        headers = {"kid": self.kid}
        key, algorithm = self.key, "RS256"
        key, algorithm = self.bend(claims, headers) or (key, algorithm)
        return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        issuer = self.server.issuer
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.server.key.public_key()))
        self.answer(
            200,
            {
                "/.well-known/openid-configuration": {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "jwks_uri": f"{issuer}/keys",
                },
                "/keys": {"keys": [{**public, "kid": self.server.kid, "use": "sig", "alg": "RS256"}]},
            }[self.path],
        )

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        asked = self.server.codes.pop(form["code"][0], None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        verifier = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if (
            asked is None
            or self.headers["Authorization"] != f"Basic {basic}"
            or asked["code_challenge"] != challenge
            or form["redirect_uri"] != [asked["redirect_uri"]]
        ):
            return self.answer(400, {"error": "invalid_grant"})
        id_token = self.server.id_token(asked)
        self.answer(200, {"access_token": "x", "token_type": "Bearer", "id_token": id_token})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def running():
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def provider(running, name):
    running.person = {"sub": f"id-{name}", "preferred_username": name, "email": f"{name}@example.org",
                      "email_verified": True}  # fmt: skip
    running.bend = lambda claims, headers: None
    return running


@pytest.fixture(scope="module")
def site(app, running):
    settings = replace(
        app.settings, oidc_issuer=running.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET
    )
    site = create_app(settings)
    yield site
    site.services.close()


def begin(browser, provider):
    started = browser.get("/api/v1/auth/oidc/login")
    assert started.status_code == 302, started.text
    return provider.authorize(started.headers["Location"])


def come_back(browser, query):
    return browser.get("/api/v1/auth/oidc/callback", query_string=query)


def sign_in(site, provider):
    browser = site.test_client()
    return come_back(browser, begin(browser, provider))


def test_the_first_sign_in_makes_an_account(site, provider, name):
    answer = sign_in(site, provider)
    assert answer.status_code == 200, answer.text
    me = Client(site, answer.json["access_token"]).get("/me").json
    assert me["username"] == name and me["email"] == f"{name}@example.org" and me["email_verified"] is True


def test_the_address_that_a_provider_tells_is_kept_and_compared_like_any_other(site, provider, name):
    provider.person |= {"email": f" u\u0308{name}@MU\u0308NCHEN.example"}
    me = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
    assert me["email"] == f"\u00fc{name}@m\u00fcnchen.example" and me["email_verified"] is True
    provider.person |= {"sub": f"another-{name}", "preferred_username": f"another{name}"}
    provider.person |= {"email": f"\u00dc{name}@xn--mnchen-3ya.example"}
    other = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
    assert other["_id"] != me["_id"] and other["email_verified"] is False


def test_later_sign_ins_find_the_same_account_whatever_name_and_address_say(site, provider, name):
    first = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
    provider.person |= {"preferred_username": "renamed", "email": "moved@example.org"}
    again = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
    assert again["_id"] == first["_id"]


def test_the_start_asks_for_a_code_with_pkce_state_and_nonce(site, provider):
    started = site.test_client().get("/api/v1/auth/oidc/login")
    asked = parse_qs(urlsplit(started.headers["Location"]).query)
    assert asked["response_type"] == ["code"] and asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= set(asked) and "openid" in asked["scope"][0].split()
    cookie = started.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/api/v1/auth/oidc" in cookie


def test_a_script_that_asks_for_json_is_told_the_url(site, provider):
    answer = site.test_client().get("/api/v1/auth/oidc/login", headers={"Accept": "application/json"})
    assert answer.status_code == 200 and answer.json["url"].startswith(f"{provider.issuer}/authorize?")
    assert answer.headers["Vary"] == "Accept" and "HttpOnly" in answer.headers["Set-Cookie"]


def test_entry_point_links_to_a_provider_where_there_is_one(site, anonymous):
    there = site.test_client().get("/api/v1/").json["_links"]
    assert there["auth.oidc.login"]["href"] == "/api/v1/auth/oidc/login"
    assert not [name for name in anonymous.get("/").json["_links"] if "oidc" in name]


def test_a_name_that_is_taken_gets_another(site, provider, name):
    body = {"username": name, "email": "someone@example.org", "password": PASSWORD}
    Client(site).post("/auth/register", body)
    me = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
    assert me["username"].startswith(f"{name}-")


def test_a_strange_name_becomes_one_that_we_allow(site, provider):
    provider.person |= {"preferred_username": "../<b>Ünï\u202e", "sub": secrets.token_hex(8)}
    me = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
    assert me["username"].isascii() and "<" not in me["username"]


@pytest.mark.parametrize("told", ["admin", "R00t", "sup.port@example.org"])
def test_a_reserved_name_becomes_another(site, provider, told):
    provider.person |= {"preferred_username": told, "sub": secrets.token_hex(8), "email": ""}
    me = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
    assert me["username"].startswith("user")


def test_an_address_of_a_local_account_does_not_open_that_account(site, provider, name):
    address, client = f"{name}@example.org", Client(site)
    client.post("/auth/register", {"username": f"local{name}", "email": address, "password": PASSWORD})
    token = token_in(letters_to(site, address)[-1])
    tokens = client.post("/auth/login", {"login": f"local{name}", "password": PASSWORD}).json
    client = Client(site, tokens["access_token"])
    assert client.post("/auth/verify-email", {"token": token}).status_code == 200
    me = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
    assert me["username"] == name and me["email_verified"] is False


def test_an_address_that_the_provider_has_verified_ends_the_claims_of_others_on_it(site, provider, name):
    address, client = f"{name}@example.org", Client(site)
    body = {"username": f"waits{name}", "email": address, "password": PASSWORD}
    assert client.post("/auth/register", body).status_code == 201
    client.post("/auth/forgot", {"email": address})
    token = token_in(letters_to(site, address)[-1])
    me = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
    assert me["email"] == address and me["email_verified"] is True
    assert client.post("/auth/login", {"login": address, "password": PASSWORD}).status_code == 401
    assert client.post("/auth/reset", {"token": token, "password": "another password"}).status_code == 400


def test_who_takes_an_account_over_ends_the_providers_sign_in_to_it(site, provider, name):
    """A provider that verifies nothing let somebody in under an address that is not theirs."""
    address = f"{name}@example.org"
    provider.person["email_verified"] = False
    browser = site.test_client()
    theirs = Client(site, sign_in(site, provider).json["access_token"])
    way = begin(browser, provider)
    Client(site).post("/auth/forgot", {"email": address})
    body = {"token": token_in(letters_to(site, address)[-1]), "password": "a password of my own"}
    assert Client(site).post("/auth/reset", body).status_code == 204
    again = Client(site, come_back(browser, way).json["access_token"]).get("/me").json
    assert again["username"] != name and again["email_verified"] is False
    assert theirs.get("/me").status_code == 401


def test_a_providers_sign_in_on_its_way_does_not_outlive_the_link(site, provider, name, monkeypatch):
    from features.identity import oidc_routes as oidc

    me = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
    generation_of, id_ = oidc.accounts.generation_of, ObjectId(me["_id"])

    def slowly(*arguments):
        monkeypatch.undo()
        end_credentials(site.store, TAKEN_OVER, id_)
        return generation_of(*arguments)

    monkeypatch.setattr(oidc.accounts, "generation_of", slowly)
    assert sign_in(site, provider).status_code == 401
    assert site.services.db["sessions"].count_documents({"user": id_}) == 0


def test_an_address_the_provider_has_not_verified_is_only_a_claim(site, provider):
    provider.person["email_verified"] = False
    me = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
    assert me["email_verified"] is False


def test_a_suspended_user_cannot_come_in_by_the_provider(site, provider, name):
    sign_in(site, provider)
    site.store.change("users", {"username": name}, set={"status": "suspended"})
    assert sign_in(site, provider).status_code == 403


def test_account_whose_link_cannot_be_written_is_not_made(site, provider, monkeypatch):
    """Without its link nobody could enter it, and the next sign-in would make another."""
    users = site.services.db["users"]
    before = users.count_documents({})

    def drop(*_, **__):
        raise AutoReconnect("gone")

    with monkeypatch.context() as patched:
        patched.setattr("features.identity.oidc_routes.note", drop)
        assert sign_in(site, provider).status_code == 503
    assert users.count_documents({}) == before


def test_parallel_first_sign_ins_make_one_account(site, provider, name):
    ids, lock = [], threading.Lock()

    def run():
        me = Client(site, sign_in(site, provider).json["access_token"]).get("/me").json
        with lock:
            ids.append(me["_id"])

    threads = [threading.Thread(target=run) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(ids) == 4 and len(set(ids)) == 1
    assert site.services.db["users"].count_documents({"username": {"$regex": f"^{name}"}}) == 1


def test_a_provider_that_changes_its_keys_is_still_understood(site, provider):
    assert sign_in(site, provider).status_code == 200
    provider.new_key()
    assert sign_in(site, provider).status_code == 200


# Attacks


def test_a_sign_in_begun_elsewhere_cannot_be_finished_here(site, provider):
    query = begin(site.test_client(), provider)
    answer = come_back(site.test_client(), query)
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_way_back_works_once(site, provider):
    browser = site.test_client()
    query = begin(browser, provider)
    assert come_back(browser, query).status_code == 200
    assert come_back(browser, query).status_code == 401


@pytest.mark.parametrize("change", [{"state": "x"}, {"state": ""}, {"code": "x"}, {"code": ""}])
def test_an_invented_state_or_code_is_refused(site, provider, change):
    browser = site.test_client()
    assert come_back(browser, begin(browser, provider) | change).status_code == 401


def test_nothing_at_all_is_refused(site):
    assert come_back(site.test_client(), {}).status_code == 401


def test_somebody_who_refused_at_the_provider_is_not_signed_in(site, provider):
    browser = site.test_client()
    query = {"state": begin(browser, provider)["state"], "error": "access_denied"}
    assert come_back(browser, query).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": ["another", "third"]},
        {"iss": "https://elsewhere.example.org"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"sub": ""},
        {"azp": "another"},
    ],
    ids=str,
)
def test_an_id_token_with_a_wrong_claim_is_refused(site, provider, claims):
    def bend(held, headers):
        held |= claims
        for name, value in claims.items():
            if value is None:
                del held[name]

    provider.bend = bend
    assert sign_in(site, provider).status_code == 401


def test_an_id_token_of_another_key_is_refused(site, provider):
    provider.bend = lambda claims, headers: (generate_private_key(65537, 2048), "RS256")
    assert sign_in(site, provider).status_code == 401


def test_an_unsigned_id_token_is_refused(site, provider):
    provider.bend = lambda claims, headers: (None, "none")
    assert sign_in(site, provider).status_code == 401


def test_an_id_token_signed_with_the_client_secret_is_refused(site, provider):
    provider.bend = lambda claims, headers: (SECRET.encode() * 3, "HS256")
    assert sign_in(site, provider).status_code == 401


def test_a_provider_that_is_down_is_503(app, name):
    alone = create_app(replace(app.settings, oidc_issuer="http://127.0.0.1:1", oidc_client_id=CLIENT))
    answer = alone.test_client().get("/api/v1/auth/oidc/login")
    assert answer.status_code == 503 and answer.json["reason"] == "unavailable"
    alone.services.close()


def test_without_a_provider_the_routes_are_not_there(anonymous):
    assert anonymous.get("/auth/oidc/login").status_code == 404
    assert anonymous.get("/auth/oidc/callback?state=x&code=y").status_code == 404
