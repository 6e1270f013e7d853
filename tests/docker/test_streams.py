"""`run.py streams`: a thousand event streams in one process with a handful of threads, by the rules of the API."""

import asyncio
import contextlib
import http.client
import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bson import ObjectId

from dev.datadir import free_port
from features.backend import Backend
from settings import Settings
from tests.docker.conftest import ROOT, Served, status, until
from tests.patience import patience

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MANY = 1000
PATH = "/api/v1/me/stream"
# Threads of the process: the loop and the server's, those that open streams, the one that feeds, MongoDB's monitors.
MOST_THREADS = 24
MOST_BYTES_EACH = 60_000


class Streaming:
    """One `run.py streams`."""

    def __init__(self, environ, folder, *options):
        self.port, self.output = free_port(), Path(folder) / "streams.log"
        command = [sys.executable, "run.py", "streams", "--port", str(self.port), *options]
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=out)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        until(lambda: status(self.url + "/readyz") == 200, 60, self.output)
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.terminate()
            self.process.wait(patience(45))

    def worker(self):
        """The process that has the streams: granian's child, of the many threads."""
        (server,) = children(self.process.pid)
        return children(server)[-1]


def children(pid):
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in found for child in task.read_text().split()]


def facts(pid):
    """Return (threads, bytes in memory) of a process."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return int(lines["Threads"]), int(lines["VmRSS"].split()[0]) * 1024


@pytest.fixture(scope="module")
def services(databases):
    services = Backend(Settings.from_env(databases))
    services.tokens.ring.signing()
    yield services
    services.close()


class Person:
    """Somebody with a session, made without the cost of a password."""

    def __init__(self, services):
        self.services, self.id, session = services, ObjectId(), ObjectId()
        user = {"_id": self.id, "username": f"u{self.id}", "username_key": f"u{self.id}", "status": "active",
                "role": "user"}  # fmt: skip
        services.db["users"].insert_one(user)
        services.db["sessions"].insert_one({"_id": session, "user": self.id})
        self.token, _ = services.tokens.issue(user, session)

    def tell(self):
        """Notify, as the worker does."""
        one = {"_id": ObjectId(), "user": self.id, "happened_at": datetime.now(UTC), "kind": "reply", "count": 1,
               "group": str(ObjectId()), "unread": True}  # fmt: skip
        self.services.db["notifications"].insert_one(one)
        self.services.redis.publish(f"notices:{self.id}", b"")


class Line:
    """One open stream, read by an event loop."""

    async def open(self, port, token, **headers):
        self.read, self.write = await asyncio.open_connection("127.0.0.1", port)
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.write.write(
            f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n".encode()
        )
        await self.until(b"retry: ")
        return self

    async def until(self, words, seconds=60):
        """Read until the words come; return all that was read."""
        async with asyncio.timeout(seconds):
            seen = b""
            while words not in seen:
                piece = await self.read.read(65536)
                assert piece, f"ended: {seen!r}"
                seen += piece
            return seen

    async def rest(self, seconds=10):
        """Read to the end of the stream."""
        async with asyncio.timeout(seconds):
            seen = b""
            while not seen.endswith(b"0\r\n\r\n"):
                piece = await self.read.read(65536)
                if not piece:
                    break
                seen += piece
            return seen

    def close(self):
        self.write.close()


async def open_all(port, people):
    """Open a stream for each, fifty at a time."""
    gate = asyncio.Semaphore(50)

    async def one(person):
        async with gate:
            return await Line().open(port, person.token)

    return await asyncio.gather(*(one(person) for person in people))


def test_a_thousand_streams_cost_no_thread_each_and_an_event_reaches_all(databases, services, tmp_path):
    people = [Person(services) for _ in range(MANY)]
    # One address may hold all places as long as nobody else wants them.
    with Streaming(databases, tmp_path, "--places", str(MANY)) as streaming:
        asyncio.run(watch_many(streaming, people))


async def watch_many(streaming, people):
    few = await open_all(streaming.port, people[:10])
    threads_before, bytes_before = facts(streaming.worker())
    began = time.monotonic()
    lines = few + await open_all(streaming.port, people[10:])
    opened = time.monotonic() - began
    threads, size = facts(streaming.worker())
    began = time.monotonic()
    telling = asyncio.get_running_loop().run_in_executor(None, lambda: [one.tell() for one in people])
    await asyncio.gather(*(line.until(b"event: notification") for line in lines))
    reached = time.monotonic() - began
    await telling
    each = (size - bytes_before) / (len(people) - 10)
    print(
        f"\n{len(people)} streams: opened in {opened:.1f} s, {threads_before} -> {threads} threads, "
        f"{size / 1e6:.0f} MB, {each / 1e3:.1f} kB each, all told within {reached:.1f} s"
    )
    assert threads <= MOST_THREADS and threads - threads_before <= 4
    assert each < MOST_BYTES_EACH
    for line in lines:
        line.close()


@pytest.fixture(scope="module")
def streaming(databases, tmp_path_factory):
    """A process with the places of a small deployment, behind a proxy."""
    environ = {**databases, "TRUSTED_PROXIES": "1"}
    with Streaming(environ, tmp_path_factory.mktemp("streams"), "--places", "24") as running:
        yield running


def behind(address):
    return {"X-Forwarded-For": address}


def test_the_ninth_account_gets_its_place_and_the_oldest_is_told_when_to_come_again(streaming, services):
    async def run():
        grabbers = [Person(services) for _ in range(8)]
        taken = [
            await Line().open(streaming.port, one.token, **behind("203.0.113.9"))
            for one in grabbers
            for _ in range(3)
        ]
        ninth = Person(services)
        line = await Line().open(streaming.port, ninth.token, **behind("192.0.2.1"))
        seen = await taken[0].rest()
        assert (
            b'event: end\ndata: {"reason":"too_many"}' in seen and b"retry: " in seen and b"id: " not in seen
        )
        ninth.tell()
        assert b"id: " in await line.until(b"event: notification")
        for one in [line, *taken]:
            one.close()

    asyncio.run(run())


def test_a_stream_ends_soon_after_its_session(streaming, services):
    async def run():
        person = Person(services)
        line = await Line().open(streaming.port, person.token)
        grant = services.db["sessions"].find_one_and_delete({"user": person.id})["_id"]
        services.tokens.liveness.end_grants([grant])
        assert b'{"reason":"access_ended"}' in await line.rest(4)
        line.close()

    asyncio.run(run())


def test_a_client_that_goes_frees_its_place(streaming, services):
    """Five times as many as there are places, one after the other: nobody is sent away while all have gone."""

    async def run():
        stays = await Line().open(streaming.port, Person(services).token, **behind("192.0.2.1"))
        for _ in range(5):
            others = [
                await Line().open(streaming.port, Person(services).token, **behind("192.0.2.1"))
                for _ in range(20)
            ]
            for one in others:
                one.close()
            await wait_for_places(streaming, 1)
        stays.close()

    asyncio.run(run())


async def wait_for_places(streaming, count):
    """Return when the process says that only so many are open."""
    async with asyncio.timeout(10):
        while f"marquee_streams_open {count}.0" not in metrics(streaming):
            await asyncio.sleep(0.05)


def metrics(streaming):
    return fetch(streaming.port, "/metrics")[1].decode()


def fetch(port, path, method="GET", **headers):
    """Return the answer and its body."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=patience(10))) as line:
        line.request(method, path, headers=headers)
        answer = line.getresponse()
        return answer, answer.read()


def ask(port, path=PATH, method="GET", **headers):
    """Return status, body and the headers of a refusal that tell something."""
    answer, body = fetch(port, path, method, **headers)
    told = {
        name: answer.headers[name] for name in ("Content-Type", "WWW-Authenticate", "Cache-Control", "Allow")
    }
    told["Allow"] = sorted((told["Allow"] or "").split(", "))
    problem = json.loads(body) if body else {}
    problem.pop("request_id", None)
    return answer.status, problem, told


REFUSED = {
    "nobody": {},
    "no_token": {"Authorization": "Bearer"},
    "false_token": {"Authorization": "Bearer x.y.z"},
    "false_key": {"Authorization": "Bearer mq_" + "0" * 24 + "_x"},
    "two_tokens": {"Authorization": "Bearer a, Bearer b"},
    "scopeless_key": {},
    "suspended": {},
}


@pytest.mark.parametrize("caller", REFUSED)
def test_it_refuses_whom_the_api_refuses_with_the_same_words(caller, streaming, served, services):
    headers = dict(REFUSED[caller])
    if caller in ("scopeless_key", "suspended"):
        person = Person(services)
        headers = {"Authorization": f"Bearer {person.token}"}
    if caller == "suspended":
        services.db["users"].update_one({"_id": person.id}, {"$set": {"status": "suspended"}})
    if caller == "scopeless_key":
        key = {
            "_id": ObjectId(),
            "user": person.id,
            "name": "k",
            "scopes": ["likes:read"],
            "expires_at": None,
        }
        services.db["api_keys"].insert_one(key)
        headers = {"Authorization": f"Bearer {services.tokens.api_keys.make(key['_id'])}"}
    here, there = ask(streaming.port, **headers), ask(served.port, **headers)
    assert here == there and here[0] in (401, 403) and here[1]["reason"]


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "DELETE"])
def test_other_methods_are_answered_as_by_the_api(method, streaming, served):
    assert ask(streaming.port, method=method) == ask(served.port, method=method)


@pytest.mark.parametrize("path", ["/api/v1/videos", "/", "/api/v1/me/stream/", "/api/v1/auth/login"])
def test_everything_else_is_not_here(path, streaming):
    status_, problem, _ = ask(streaming.port, path)
    assert (status_, problem["reason"]) == (404, "not_found")


@pytest.fixture(scope="module")
def served(databases, tmp_path_factory):
    with Served(databases, tmp_path_factory.mktemp("api")) as running:
        yield running


def test_who_ends_sends_its_streams_elsewhere_at_once(databases, services, tmp_path):
    with Streaming(databases, tmp_path, "--places", "24", "--drain-seconds", "3") as ending:

        async def run():
            line = await Line().open(ending.port, Person(services).token)
            ending.process.send_signal(signal.SIGTERM)
            assert b'{"reason":"unavailable"}' in await line.rest(3)
            line.close()

        asyncio.run(run())
        assert ending.process.wait(patience(20)) == 0
