"""Three MongoDB processes with a key, made one set by the script that Compose runs; then the primary is killed."""

import os
import secrets
import subprocess
import sys
import time

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from assembly import create_app
from dev.binaries import find_mongod
from dev.datadir import free_port
from machine.declare.indexes import build_indexes
from settings import Settings
from tests.conftest import Client, sign_up
from tests.docker.conftest import ROOT, until
from tests.patience import patience

pytestmark = pytest.mark.timeout(240)
PASSWORD = secrets.token_hex(12)


class Node:
    """One mongod."""

    def __init__(self, folder, key):
        self.folder, self.key, self.port, self.process = folder, key, free_port(), None
        folder.mkdir()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self, *options):
        base = ["--dbpath", self.folder, "--port", str(self.port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
        base += [
            "--wiredTigerCacheSizeGB",
            "0.25",
            "--networkMessageCompressors",
            "disabled",
            "--noscripting",
        ]
        base += ["--quiet", "--logpath", self.folder / "log", "--logappend"]
        base += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        self.process = subprocess.Popen([find_mongod(), *base, *options], stdout=subprocess.DEVNULL)
        until(self.answers, 30)

    def start_in_set(self):
        self.start("--replSet", "rs0", "--keyFile", self.key)

    def answers(self):
        try:
            with MongoClient(self.address, directConnection=True, serverSelectionTimeoutMS=300) as client:
                return client.admin.command("ping")["ok"]
        except PyMongoError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    key = folder / "key"
    key.write_text(secrets.token_hex(96))
    key.chmod(0o400)
    nodes = [Node(folder / name, key) for name in ("a", "b", "c")]
    try:
        # As the image of MongoDB does with MONGO_INITDB_ROOT_*: the account first, alone and without the set.
        nodes[0].start()
        with MongoClient(nodes[0].address, directConnection=True) as client:
            client.admin.command("createUser", "root", pwd=PASSWORD, roles=["root"])
        nodes[0].process.terminate()
        nodes[0].process.wait(patience(30))
        for node in nodes:
            node.start_in_set()
        yield nodes
    finally:
        for node in nodes:
            if node.process and node.process.poll() is None:
                node.kill()


@pytest.fixture(scope="module")
def uri(nodes):
    members = ",".join(node.address for node in nodes)
    uri = f"mongodb://root:{PASSWORD}@{members}/marquee?replicaSet=rs0&authSource=admin"
    command = [sys.executable, "docker/initiate_replica_set.py", "rs0", *(node.address for node in nodes)]
    for _ in range(2):
        subprocess.run(command, cwd=ROOT, env={**os.environ, "MONGO_URI": uri}, check=True)
    return uri


def test_script_makes_one_set_of_three(nodes, uri):
    with MongoClient(uri) as client:
        states = lambda: [m["stateStr"] for m in client.admin.command("replSetGetStatus")["members"]]  # noqa: E731
        until(lambda: sorted(states()) == ["PRIMARY", "SECONDARY", "SECONDARY"], 60)


def test_without_the_password_nothing_is_read(nodes, uri):
    with MongoClient(nodes[0].address, directConnection=True) as client, pytest.raises(PyMongoError):
        client["marquee"]["users"].find_one()


def test_writes_ride_out_the_death_of_the_primary(nodes, uri, stack, tmp_path):
    settings = Settings.from_env({**stack.env, "MONGO_URI": uri}, rate_limits=False, data_dir=tmp_path,
                                 mongo_timeout_seconds=15.0)  # fmt: skip
    app = create_app(settings)
    try:
        build_indexes(app.store)
        alice = sign_up(app, "alice")
        made = [alice.post("/channels", {"handle": f"before{n}", "name": "x"}).json["_id"] for n in range(5)]
        host, port = app.services.mongo.primary
        next(node for node in nodes if node.port == port).kill()
        began = time.monotonic()
        answer = alice.post("/channels", {"handle": "after", "name": "x"})
        assert answer.status_code == 201, answer.text
        assert time.monotonic() - began < patience(20)
        assert app.services.mongo.primary != (host, port)
        for id_ in [*made, answer.json["_id"]]:
            assert Client(app).get(f"/channels/{id_}").status_code == 200
    finally:
        app.services.close()
