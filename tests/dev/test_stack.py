"""The embedded stack as the tests use it: parts by name, one environment, crashes on purpose."""

import os

import pytest
import redis
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from dev import datadir
from dev.child import Child
from dev.datadir import DataDir
from dev.errors import StackError
from dev.marks import find_marked
from dev.stack import Stack
from settings import Settings
from tests.patience import wait_until


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("stack"), parts=("mongo", "redis"), environ=bare()) as stack:
        yield stack


def bare():
    """The environment without a database, so that the stack starts its own."""
    return {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}


def ended(child):
    wait_until(lambda: child.returncode is not None, 10, pause=0.02)
    return child


def test_its_environment_makes_valid_settings(stack):
    settings = Settings.from_env(stack.env)
    assert settings.mongo_uri == stack.env["MONGO_URI"]
    assert len(settings.secret_key) >= 32


def test_mongodb_is_a_replica_set_with_transactions(stack):
    with MongoClient(stack.env["MONGO_URI"]) as client, client.start_session() as session:
        with session.start_transaction():
            client.get_default_database().pairs.insert_one({"a": 1}, session=session)
        assert client.get_default_database().pairs.count_documents({}) == 1


def test_mongodb_runs_no_javascript(stack):
    with MongoClient(stack.env["MONGO_URI"]) as client, pytest.raises(OperationFailure, match="no global"):
        list(client.get_default_database().pairs.find({"$where": "true"}))


def test_a_killed_mongodb_comes_back_on_its_port_with_its_data(stack):
    with MongoClient(stack.env["MONGO_URI"], w="majority", journal=True) as client:
        client.get_default_database().kept.insert_one({"a": 1})
    before = stack.processes["mongo"].pid
    stack.kill("mongo")
    assert stack.processes["mongo"].returncode == -9
    stack.restart("mongo")
    assert stack.processes["mongo"].pid != before
    with MongoClient(stack.env["MONGO_URI"]) as client:
        assert client.get_default_database().kept.count_documents({}) == 1


def test_valkey_keeps_what_was_queued_through_a_restart_and_evicts_nothing(stack):
    with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
        client.rpush("queue", "one")
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    stack.restart("redis")
    with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
        assert client.lrange("queue", 0, -1) == [b"one"]


def test_a_part_that_the_environment_names_is_used_and_not_started(tmp_path, stack):
    environ = bare() | {"MONGO_URI": stack.env["MONGO_URI"]}
    with Stack(tmp_path, parts=("mongo", "redis"), environ=environ) as second:
        assert list(second.processes) == ["redis"]
        assert second.env["MONGO_URI"] == stack.env["MONGO_URI"]


@pytest.mark.slow
def test_mongodb_finds_itself_again_when_its_old_port_is_taken(tmp_path):
    with Stack(tmp_path, parts=("mongo",), environ=bare()) as first:
        uri = first.env["MONGO_URI"]
        with MongoClient(uri, w="majority", journal=True) as client:
            client.get_default_database().kept.insert_one({})
    (tmp_path / "ports.json").unlink()
    with Stack(tmp_path, parts=("mongo",), environ=bare()) as second:
        assert second.env["MONGO_URI"] != uri
        with MongoClient(second.env["MONGO_URI"]) as client:
            assert client.get_default_database().kept.count_documents({}) == 1


def test_a_missing_library_is_named_with_its_debian_package(tmp_path):
    words = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file"
    child = ended(Child("mongo", ["sh", "-c", f"echo '{words}'; exit 127"], bare(), tmp_path))
    assert "apt-get install libcurl4" in child.explain_end()


def test_a_full_disk_is_said_as_such(tmp_path):
    words = "write failed: No space left on device"
    child = ended(Child("redis", ["sh", "-c", f"echo '{words}'; exit 1"], bare(), tmp_path))
    assert "the disk that holds" in child.explain_end() and "full" in child.explain_end()


def test_too_little_space_is_refused_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(datadir, "SPACE_NEEDED", 2**60)
    with pytest.raises(StackError, match="nearly full .* free some space"):
        DataDir(tmp_path).claim()


def test_the_end_of_a_part_takes_its_grandchildren_along(tmp_path):
    child = Child("grand", ["sh", "-c", "setsid sleep 300 & echo started; exit 0"], bare(), tmp_path)
    ended(child).bury()
    assert find_marked(tmp_path) == []
