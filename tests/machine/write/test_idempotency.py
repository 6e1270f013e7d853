"""A key is free again after its request failed, also where the database was away at that moment."""

import contextlib
from urllib.parse import urlsplit

import pytest
from pymongo.errors import PyMongoError

from features.backend import Backend
from machine.write.idempotency import IdempotencyKeys
from settings import Settings
from tests.platform import poll
from tests.prove.proxy import TcpProxy


@pytest.fixture
def proxy(settings):
    with TcpProxy(urlsplit(settings.mongo_uri).port) as proxy:
        yield proxy


@pytest.fixture
def keys(stack, proxy):
    """The keys of a process that reaches MongoDB through the proxy."""
    uri = f"mongodb://127.0.0.1:{proxy.port}/marquee?directConnection=true"
    services = Backend(Settings.from_env({**stack.env, "MONGO_URI": uri}, mongo_timeout_seconds=0.5))
    yield IdempotencyKeys(services)
    services.close()


def test_key_that_could_not_be_let_go_is_free_once_the_database_is_back(keys, proxy, name):
    held = keys.begin(("user", "/path", name), "print", "first")
    proxy.down()
    keys.forget(held)
    proxy.heal()

    def again():
        with contextlib.suppress(PyMongoError):
            return keys.begin(("user", "/path", name), "print", "second")

    assert poll(again, 10, "MongoDB is seen again").holder == "second"
