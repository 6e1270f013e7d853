"""A process whose threads are all busy for long refuses what it cannot serve, and only that, and only then."""

import threading

import orjson
import pytest

from machine.edge.shed import Gate
from tests.platform import poll

THREADS = 6
# Three quarters of them.
MOST = 4


class Server:
    """An application whose requests last until they are let go."""

    def __init__(self, patience):
        self.gate = Gate(self.answer, THREADS, patience)
        self.go, self.threads, self.at_work = threading.Event(), [], 0

    def answer(self, environ, start_response):
        self.at_work += 1
        self.go.wait(10)
        start_response("200 OK", [])
        return [b"{}"]

    def ask(self, path="/api/v1/videos", **environ):
        """Return (status, headers, body) of a request."""
        told = []
        body = self.gate(
            {"PATH_INFO": path, **environ}, lambda status, headers: told.extend([status, dict(headers)])
        )
        return int(told[0].split()[0]), told[1], b"".join(body)

    def fill(self, count, **environ):
        """Bring requests under way."""
        goal = self.at_work + count
        for _ in range(count):
            self.threads.append(threading.Thread(target=self.ask, kwargs=environ))
            self.threads[-1].start()
        poll(lambda: self.at_work >= goal, 5, "requests under way")

    def empty(self):
        self.go.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def make():
    made = []

    def server(patience=0.0):
        made.append(Server(patience))
        return made[-1]

    yield server
    for one in made:
        one.empty()


def test_request_that_finds_every_thread_busy_is_told_to_come_again(make):
    server = make()
    server.fill(MOST)
    status, headers, body = server.ask()
    assert status == 503 and headers["Retry-After"]
    told = orjson.loads(body)
    assert told["reason"] == "unavailable" and told["request_id"] == headers["X-Request-Id"] != ""


def test_short_rush_is_served(make):
    server = make(patience=60)
    server.fill(MOST + 3)
    server.empty()
    assert server.at_work == MOST + 3


def test_all_are_served_again_when_it_has_passed(make):
    server = make()
    server.fill(MOST)
    assert server.ask()[0] == 503
    server.empty()
    assert server.ask()[0] == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_health_and_metrics_are_never_refused(make, path):
    server = make()
    server.fill(MOST)
    assert server.ask()[0] == 503
    server.go.set()
    assert server.ask(path)[0] == 200


def test_uploads_and_streams_do_not_count(make):
    server = make()
    server.fill(MOST, CONTENT_TYPE="multipart/form-data; boundary=x")
    server.fill(MOST, path="/api/v1/me/stream")
    server.fill(MOST - 1)
    server.go.set()
    assert server.ask()[0] == 200
