"""Three mongod processes as one set whose members know one another, and are known, by the ports of fault proxies."""

import subprocess
import time
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from dev.binaries import find_mongod
from dev.datadir import free_port
from dev.parts import ABANDONED
from tests.platform import poll
from tests.prove.proxy import TcpProxy, process_behind

NAME = "rs0"
OPTIONS = ["--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "128",
           "--networkMessageCompressors", "disabled", "--noscripting", "--quiet", "--replSet", NAME,
           "--setParameter", "diagnosticDataCollectionEnabled=false", *ABANDONED]  # fmt: skip


class Member:
    """One mongod and the proxy before it."""

    def __init__(self, folder, members):
        self.folder, self.port, self.process = Path(folder), free_port(), None
        self.folder.mkdir()
        self.proxy = TcpProxy(self.port, source_of=lambda port: name_of(port, members))

    @property
    def address(self):
        return f"127.0.0.1:{self.proxy.port}"

    def start(self):
        place = ["--dbpath", self.folder, "--port", str(self.port), "--logpath", self.folder / "log"]
        command = [find_mongod(), *map(str, place), "--logappend", *OPTIONS]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        poll(lambda: self.ask("ping"), 30, "mongod answers")

    def ask(self, command):
        """Ask this member itself, past the proxy; None when it does not answer."""
        try:
            with MongoClient(
                f"127.0.0.1:{self.port}", directConnection=True, serverSelectionTimeoutMS=500
            ) as client:
                return client.admin.command(command)
        except PyMongoError:
            return None

    def kill(self):
        self.process.kill()
        self.process.wait()


def name_of(port, members):
    """Return the member whose process has this local port; None for everybody else."""
    by_pid = {member.process.pid: member for member in members if member.process}
    return by_pid.get(process_behind(port, list(by_pid)))


class ReplicaSet:
    """The set; `with ReplicaSet(folder) as mongo`."""

    def __init__(self, folder):
        self.members = []
        for letter in "abc":
            self.members.append(Member(Path(folder) / letter, self.members))

    def __enter__(self):
        try:
            for member in self.members:
                member.proxy.__enter__()
                member.start()
            members = [{"_id": n, "host": one.address} for n, one in enumerate(self.members)]
            # An election after 3 s of silence; 10 s, as shipped, would only make the test longer.
            config = {"_id": NAME, "members": members, "settings": {"electionTimeoutMillis": 3000}}
            with MongoClient(f"127.0.0.1:{self.members[0].port}", directConnection=True) as client:
                client.admin.command("replSetInitiate", config)
            poll(self.is_whole, 60, "one primary and two secondaries")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        for member in self.members:
            if member.process and member.process.poll() is None:
                member.kill()
        for member in self.members:
            if member.proxy.server is not None:
                member.proxy.__exit__()

    @property
    def uri(self):
        hosts = ",".join(member.address for member in self.members)
        return f"mongodb://{hosts}/marquee?replicaSet={NAME}"

    def primaries(self):
        """Return the members that take themselves for the primary."""
        return [member for member in self.members if (member.ask("hello") or {}).get("isWritablePrimary")]

    def is_whole(self):
        hellos = [member.ask("hello") or {} for member in self.members]
        one = sum(bool(hello.get("isWritablePrimary")) for hello in hellos) == 1
        return one and sum(bool(hello.get("secondary")) for hello in hellos) == 2

    def part(self, lonely):
        """Cut one member off from the others, both ways; clients go on reaching everybody."""
        others = [member for member in self.members if member is not lonely]
        lonely.proxy.blackhole(lambda source: source in others)
        for member in others:
            member.proxy.blackhole(lambda source: source is lonely)

    def heal(self):
        for member in self.members:
            member.proxy.heal()
            if member.process.poll() is not None:
                member.start()

    def await_other_primary(self, old, seconds=30):
        """Wait until a member other than `old` is primary; return the seconds that took."""
        began = time.monotonic()
        poll(lambda: [one for one in self.primaries() if one is not old], seconds, "another primary")
        return time.monotonic() - began
