"""Services once per session; an application per module; alice owns, bob is a stranger, carol moderates, dana rules."""

import functools
import secrets
import warnings
from collections import defaultdict
from pathlib import Path

import pytest

from assembly import create_app
from dev.stack import Stack
from features.identity import accounts
from features.identity.passwords import Passwords
from features.identity.sessions import Sessions
from machine.declare.indexes import build_indexes, declared_indexes
from settings import Settings
from tests.cells import Shelf
from tests.described import answers, described, every_answer_is_described  # noqa: F401  fixtures
from tests.factory import Factory
from tests.field_reports import report  # noqa: F401  a fixture
from tests.plan import (  # noqa: F401  hooks
    pytest_collection_modifyitems,
    pytest_timeout_set_timer,
    pytest_xdist_make_scheduler,
)
from tests.platform import Platform

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


def quoted(etag):
    return etag if etag == "*" else f'"{etag}"'


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """Real MongoDB and Valkey."""
    with Stack(tmp_path_factory.mktemp("stack"), parts=("mongo", "redis")) as running:
        yield running


@pytest.fixture(scope="session")
def journeys(tmp_path_factory):
    """The whole platform as processes, for all files that only use it; each signs up people of its own.

    Files that kill a part of it, or want other settings, start one of their own.
    """
    with Platform(tmp_path_factory.mktemp("journeys")) as running:
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
    """An application that remembers nothing, on an empty database.

    What takes long is there once per session: the servers, and the database with its indexes. The application itself
    is new, a tenth of a second: it keeps what it knows in some thirty places, and a list of those would miss the next.
    """
    with warnings.catch_warnings():
        app = create_app(settings)
    empty(app)
    yield app
    app.services.close()


def empty(app):
    """Leave of a database what `db migrate` makes of an empty one, and of Redis nothing."""
    app.services.redis.flushdb()
    db, declared = app.services.db, defaultdict(lambda: {"_id_"})
    for collection, name, _, _ in declared_indexes(app.store):
        declared[collection].add(name)
    for name in db.list_collection_names(filter={"name": {"$not": {"$regex": "^system[.]"}}}):
        # Many documents go faster with their collection; so do indexes that a test has changed.
        if (
            set(db[name].index_information()) == declared.get(name)
            and db[name].estimated_document_count() < 2000
        ):
            db[name].delete_many({})
        else:
            db.drop_collection(name)
    build_indexes(app.store)


@pytest.fixture(scope="module")
def anonymous(app):
    return Client(app)


@functools.cache
def encoded():
    """Return the hash of everybody's password: made once, since it takes long by design."""
    return Passwords(Settings(secret_key="x" * 32)).hash(PASSWORD)


def sign_up(app, username, role="user"):
    """Create an account with a role, whose password is PASSWORD, and return a client that is signed in."""
    user = accounts.create(app.store, username, f"{username}@example.org", None, role)
    known = {"$set": {"password_hash": encoded()}}
    app.services.db[accounts.CREDENTIALS].update_one({"_id": user["_id"]}, known)
    return sign_in(app, user)


def sign_in(app, user):
    """Return a client with a session of its own, as a sign-in begins one, without the cost of a password."""
    begun = Sessions(app.services, app.store).start(user["_id"], "", "127.0.0.1")
    token, _ = app.services.tokens.issue(user, begun.session)
    return Client(app, token, user)


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
