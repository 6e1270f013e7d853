"""Services once per session; an application per module; alice owns, bob is a stranger, carol moderates, dana rules."""

import secrets
import warnings
from pathlib import Path

import pytest

from api import create_app
from dev.stack import Stack
from policy.indexes import build_indexes
from settings import Settings
from tests.cells import Shelf
from tests.factory import Factory

CAST = {"alice": "user", "bob": "user", "carol": "moderator", "dana": "admin"}
PASSWORD = "correct horse battery staple"


class Client:
    """A caller: a test client with a token, that speaks JSON and knows the prefix."""

    def __init__(self, app, token=None, user=None):
        self.app = app
        self.http = app.test_client()
        self.token = token
        self.user = user

    def call(self, method, path, json=None, headers=None, **more):
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        url = (
            path
            if path.startswith(("/api/", "/livez", "/readyz", "/docs", "/openapi", "/metrics", "/."))
            else f"/api/v1{path}"
        )
        return self.http.open(url, method=method, json=json, headers=headers, **more)

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, json=None, **more):
        return self.call("POST", path, json=json, **more)

    def patch(self, path, json, etag="*", **more):
        return self.call("PATCH", path, json=json, headers={"If-Match": quoted(etag)}, **more)

    def put(self, path, json=None, etag=None, **more):
        return self.call("PUT", path, json=json, headers={"If-Match": quoted(etag)} if etag else {}, **more)

    def delete(self, path, etag="*", **more):
        return self.call("DELETE", path, headers={"If-Match": quoted(etag)}, **more)


def pytest_collection_modifyitems(items):
    """Try once more what real processes failed at, and show both: a machine that is busy with others may spoil it."""
    for item in items:
        real = item.get_closest_marker("slow") or item.get_closest_marker("browser")
        if real and not item.get_closest_marker("flaky"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def quoted(etag):
    return etag if etag == "*" else f'"{etag}"'


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """Real MongoDB and Valkey."""
    with Stack(tmp_path_factory.mktemp("stack"), parts=("mongo", "redis")) as running:
        yield running


@pytest.fixture(scope="session")
def settings(stack, tmp_path_factory):
    """Settings of the session's services, in a database of its own, without rate limits."""
    return Settings.from_env(
        {**stack.env},
        rate_limits=False,
        data_dir=Path(tmp_path_factory.mktemp("data")),
    )


@pytest.fixture(scope="module")
def app(settings):
    """An application on an empty database."""
    with warnings.catch_warnings():
        app = create_app(settings)
    app.services.mongo.drop_database(settings.database)
    app.services.redis.flushdb()
    build_indexes(app.store)
    yield app
    app.services.close()


@pytest.fixture(scope="module")
def anonymous(app):
    return Client(app)


def sign_up(app, username, role="user"):
    """Create an account with a role and return a client that is signed in."""
    from services import accounts

    user = accounts.create(app.store, username, f"{username}@example.org", PASSWORD, role)
    answer = Client(app).post("/auth/login", {"login": username, "password": PASSWORD})
    assert answer.status_code == 200, answer.json
    return Client(app, answer.json["access_token"], user)


@pytest.fixture(scope="module")
def alice(app):
    return sign_up(app, "alice")


@pytest.fixture(scope="module")
def bob(app):
    return sign_up(app, "bob")


@pytest.fixture(scope="module")
def carol(app):
    return sign_up(app, "carol", "moderator")


@pytest.fixture(scope="module")
def dana(app):
    return sign_up(app, "dana", "admin")


@pytest.fixture(scope="module")
def shelf(factory, cast):
    return Shelf(factory, cast)


@pytest.fixture
def name():
    """A word nobody has used yet."""
    return "n" + secrets.token_hex(5)


@pytest.fixture(scope="module")
def erin(app):
    """The host: what others write stands below what is hers."""
    return sign_up(app, "erin")


@pytest.fixture(scope="module")
def cast(anonymous, alice, bob, carol, dana, erin):
    """Every kind of caller, by what he is to a document of alice's below one of erin's."""
    return {
        "anonymous": anonymous,
        "stranger": bob,
        "owner": alice,
        "host": erin,
        "moderator": carol,
        "admin": dana,
    }


@pytest.fixture(scope="module")
def factory(app, erin):
    return Factory(app.store, erin.user["_id"])
