"""An instance leaves without losing a request: not ready, drained, gone, with status 0 and within its time."""

import http.client
import json
import re
import select
import signal
import socket
import time
import urllib.request

import pytest

from tests.docker.conftest import DIRECT, Served, status, until
from tests.patience import patience

BODY = json.dumps({"login": "nobody", "password": "four words and a lamp"}).encode()
HEAD = (
    "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode()


def test_it_says_no_then_finishes_then_ends(databases, tmp_path):
    with Served(databases, tmp_path, "--drain-seconds", "1.5") as served:
        slow = socket.create_connection(("127.0.0.1", served.port), timeout=patience(20))
        slow.sendall(HEAD + BODY[:10])
        # The request is with the server once another one, sent later, has been answered.
        assert status(served.url + "/livez") == 200
        asked = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        until(lambda: status(served.url + "/readyz") == 503, 1.4, served.output)
        assert status(served.url + "/api/v1/channels") == 200
        until(lambda: status(served.url + "/livez") is None, 5, served.output)
        assert served.process.poll() is None
        slow.sendall(BODY[10:])
        answer = slow.recv(65536)
        slow.close()
        assert answer.startswith(b"HTTP/1.1 401"), answer[:200]
        assert served.process.wait(patience(20)) == 0
        assert 1.5 <= time.monotonic() - asked < patience(10)


def answered(line):
    """Read one answer to its end, in however many pieces it comes; return its status."""
    answer = http.client.HTTPResponse(line)
    answer.begin()
    answer.read()
    return answer.status


@pytest.mark.parametrize("path", ["/api/v1/auth/password", "/api/v1/nothing", "/api/v1/videos", "/livez"])
def test_connection_goes_on_after_a_refusal_whose_body_comes_late(databases, tmp_path, path):
    """Clients keep connections: one that is closed unheard swallows the next request."""
    head = HEAD.replace(b"/api/v1/auth/login", path.encode()).replace(b"Connection: close\r\n", b"")
    with (
        Served(databases, tmp_path, "--drain-seconds", "0") as served,
        socket.create_connection(("127.0.0.1", served.port), timeout=patience(20)) as line,
    ):
        line.sendall(head)
        # The refusal may be there before the body is sent.
        early = select.select([line], [], [], 0.3)[0] and answered(line)
        line.sendall(BODY)
        assert (early or answered(line)) in (401, 404, 405)
        line.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answered(line) == 200


def test_asked_twice_it_does_not_wait(databases, tmp_path):
    with Served(databases, tmp_path, "--drain-seconds", "60") as served:
        served.process.terminate()
        until(lambda: status(served.url + "/readyz") == 503, 5, served.output)
        served.process.terminate()
        assert served.process.wait(patience(15)) == 0


def test_metrics_of_all_processes_are_one_sum(databases, tmp_path):
    old = tmp_path / "metrics" / "counter_1.db"
    old.parent.mkdir()
    old.write_bytes(b"left by an earlier start")
    environ = {**databases, "METRICS_DIR": str(old.parent), "LOG_FORMAT": "json"}
    with Served(environ, tmp_path, "--workers", "2", "--drain-seconds", "0") as served:
        assert not old.exists()
        for _ in range(40):
            with DIRECT.open(urllib.request.Request(served.url + "/livez", headers={"Connection": "close"})):
                pass
        with DIRECT.open(served.url + "/metrics") as answer:
            text = answer.read().decode()
        series = r'marquee_requests_total\{method="GET",route="/livez",status="200"\} (\d+)'
        assert re.search(series, text)[1] == "40"
        assert len(list(old.parent.glob("counter_*.db"))) == 2
