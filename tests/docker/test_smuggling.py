"""Request smuggling, feigned headers and slow clients against the shipped nginx; the API behind it logs all."""

import contextlib
import json
import re
import socket
import time

import pytest
import requests

from tests.docker.conftest import Served, status, until
from tests.docker.test_nginx import NGINX, Nginx
from tests.patience import Deadline, patience

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not NGINX, reason="needs Debian's package nginx-light"),
]
# What an attacker wants the API to take for a request of its own; no honest request of this file asks for it.
PRIZE = "GET /api/v1/smuggled HTTP/1.1\r\nHost: x\r\nX-Ignore: "
POST = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
LENGTH = f"Content-Length: {len(PRIZE)}\r\n"
END = "0\r\n\r\n"
# Every one has two readings; in one of them PRIZE is a request of its own.
SMUGGLED = {
    "CL.TE": f"{POST}Content-Length: {len(END + PRIZE)}\r\n{CHUNKED}\r\n{END}{PRIZE}",
    "TE.CL": f"{POST}Content-Length: 4\r\n{CHUNKED}\r\n{len(PRIZE):x}\r\n{PRIZE}\r\n{END}",
    "TE.TE": f"{POST}{CHUNKED}Transfer-Encoding: identity\r\n\r\n{END}{PRIZE}",
    "TE.TE, the other way": f"{POST}Transfer-Encoding: identity\r\n{CHUNKED}\r\n{END}{PRIZE}",
    "TE in a list": f"{POST}Transfer-Encoding: chunked, identity\r\n\r\n{END}{PRIZE}",
    "TE twice in a list": f"{POST}Transfer-Encoding: chunked, chunked\r\n\r\n{END}{PRIZE}",
    "TE with a tab": f"{POST}{LENGTH}Transfer-Encoding:\tchunked\r\n\r\n{END}{PRIZE}",
    "TE with a vertical tab": f"{POST}{LENGTH}Transfer-Encoding: \x0bchunked\r\n\r\n{END}{PRIZE}",
    "TE with a space before the colon": f"{POST}{LENGTH}Transfer-Encoding : chunked\r\n\r\n{END}{PRIZE}",
    "TE with a space before its name": f"{POST}{LENGTH} Transfer-Encoding: chunked\r\n\r\n{END}{PRIZE}",
    "TE in quotes": f'{POST}{LENGTH}Transfer-Encoding: "chunked"\r\n\r\n{END}{PRIZE}',
    "TE in a folded line": f"{POST}{LENGTH}Transfer-Encoding:\r\n chunked\r\n\r\n{END}{PRIZE}",
    "TE in odd case": f"{POST}{LENGTH}TrAnSfEr-EnCoDiNg: cHuNkEd\r\n\r\n{END}{PRIZE}",
    "TE with an underscore": f"{POST}{LENGTH}Transfer_Encoding: chunked\r\n\r\n{END}{PRIZE}",
    "TE behind a NUL": f"{POST}{LENGTH}X: \0\r\nTransfer-Encoding: chunked\r\n\r\n{END}{PRIZE}",
    "TE behind a bare CR": f"{POST}{LENGTH}X: y\rTransfer-Encoding: chunked\r\n\r\n{END}{PRIZE}",
    "TE behind a bare LF": f"{POST}{LENGTH}X: y\nTransfer-Encoding: chunked\r\n\r\n{END}{PRIZE}",
    "TE of HTTP/1.0": f"{POST.replace('1.1', '1.0')}{LENGTH}{CHUNKED}\r\n{END}{PRIZE}",
    "CL.CL": f"{POST}Content-Length: 0\r\n{LENGTH}\r\n{PRIZE}",
    "CL twice alike": f"{POST}{LENGTH}{LENGTH}\r\n{PRIZE}",
    "CL in a list": f"{POST}Content-Length: 0, {len(PRIZE)}\r\n\r\n{PRIZE}",
    "CL with a plus": f"{POST}Content-Length: +{len(PRIZE)}\r\n\r\n{PRIZE}",
    "CL in hex": f"{POST}Content-Length: 0x0\r\n\r\n{PRIZE}",
    "CL too large": f"{POST}Content-Length: 18446744073709551616\r\n\r\n{PRIZE}",
    "CL negative": f"{POST}Content-Length: -1\r\n\r\n{PRIZE}",
    "CL with an underscore": f"{POST}Content_Length: 0\r\n{LENGTH}\r\n{PRIZE}",
    "CL on a GET": f"GET /api/v1/channels HTTP/1.1\r\nHost: x\r\n{LENGTH}\r\n{PRIZE}",
    "chunked GET": f"GET /api/v1/channels HTTP/1.1\r\nHost: x\r\n{CHUNKED}\r\n{len(PRIZE):x}\r\n{PRIZE}\r\n{END}",
    "chunk with an extension": f"{POST}{CHUNKED}\r\n{len(PRIZE):x};a=\r\n{PRIZE}\r\n{END}",
    "chunk with a bare LF": f"{POST}{CHUNKED}\r\n{len(PRIZE):x}\n{PRIZE}\n{END}",
    "chunk too large": f"{POST}{CHUNKED}\r\nffffffffffffffff0\r\n{PRIZE}\r\n{END}",
    "chunk of a negative size": f"{POST}{CHUNKED}\r\n-1\r\n{PRIZE}\r\n{END}",
    "chunk shorter than told": f"{POST}{CHUNKED}\r\n2\r\n{PRIZE}\r\n{END}",
    "trailer that is a length": f"{POST}{CHUNKED}\r\n{len(PRIZE):x}\r\n{PRIZE}\r\n0\r\nContent-Length: 0\r\n\r\n",
    "bare LF throughout": f"{POST}{LENGTH}\r\n".replace("\r\n", "\n") + PRIZE,
    "line break in the path": f"GET /api/v1/channels\r\n\r\n{PRIZE}",
    "encoded line break in the path": "GET /livez%20HTTP/1.1%0d%0a%0d%0aGET%20/smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    "upgrade to h2c": f"{POST}Upgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: AAMAAABk\r\n{LENGTH}\r\n{PRIZE}",
    "upgrade to a socket": f"{POST}Upgrade: websocket\r\nConnection: Upgrade\r\n{LENGTH}\r\n{PRIZE}",
    "Expect": f"{POST}Expect: 100-continue\r\n{LENGTH}\r\n{PRIZE}",
    "connection that drops headers": f"{POST}Connection: Content-Length, close\r\n{LENGTH}\r\n{PRIZE}",
}


@pytest.fixture(scope="module")
def api(databases, tmp_path_factory):
    """One API process that logs every request, behind the shipped nginx."""
    folder = tmp_path_factory.mktemp("smuggled")
    environ = {
        **databases,
        "TRUSTED_PROXIES": "1",
        "ACCESS_LOG": "1",
        "LOG_FORMAT": "json",
        "RATE_LIMITS": "off",
    }
    environ.pop("METRICS_DIR", None)
    with Served(environ, folder, "--threads", "16", "--drain-seconds", "1") as served:
        yield served


@pytest.fixture(scope="module")
def nginx(api, tmp_path_factory):
    with Nginx(tmp_path_factory.mktemp("proxy") / "nginx", [api.port]) as nginx:
        yield nginx


def requests_of(api):
    """Return (method, path) of every request that the API has logged."""
    found = re.findall(r'^\{.*"event": "request".*$', api.output.read_text(), re.M)
    return [(one["method"], one["path"]) for one in map(json.loads, found)]


def send(nginx, raw, seconds=0.7):
    """Send bytes as they are; return what comes until the connection is closed or silent.

    It stays open on our side: nginx takes a half-closed one for a client that has gone.
    """
    answer = b""
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=seconds) as line:
        line.settimeout(seconds)
        with contextlib.suppress(ConnectionError, TimeoutError):
            line.sendall(raw.encode("latin-1"))
            while piece := line.recv(65536):
                answer += piece
    return answer


def in_step(nginx, api):
    """Return what the API has logged once it has logged a request that was sent last."""
    mark = f"/api/v1/mark-{time.monotonic_ns()}"
    assert status(nginx.url + mark) == 404
    until(lambda: ("GET", mark) in requests_of(api), 10)
    return requests_of(api)


@pytest.mark.parametrize("kind", SMUGGLED)
def test_nothing_is_smuggled_past_nginx(nginx, api, kind):
    before = len(in_step(nginx, api))
    answer = send(nginx, SMUGGLED[kind])
    came = in_step(nginx, api)[before:-1]
    assert not [path for _, path in came if path.endswith("/smuggled") and "\n" not in path], (
        answer[:200],
        came,
    )
    assert len(came) <= 1, came


def test_a_second_request_on_one_connection_would_be_seen(api):
    """Two requests, one behind the other, straight to the API: the test above can fail."""

    class Direct:
        port = api.port

    before = len(requests_of(api))
    pairs = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" + PRIZE + "y\r\nConnection: close\r\n\r\n"
    send(Direct, pairs)
    until(lambda: any("smuggled" in path for _, path in requests_of(api)[before:]), 10)


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/api/v1/channels",
        "http://x@evil.example:99/api/v1/channels",
        "//evil.example/api/v1/channels",
    ],
)
def test_an_absolute_url_names_no_other_host(nginx, target):
    answer = send(nginx, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    code = int(answer.split()[1])
    assert code in (200, 301, 308, 400, 404), answer[:300]
    assert (
        b"Location: http://evil" not in answer and b"//evil.example" not in answer.partition(b"\r\n\r\n")[2]
    )


def test_a_first_line_that_nginx_refuses_is_a_problem_too(nginx):
    for raw in ("GET http://x@y:99/ HTTP/1.1\r\nHost: x\r\n\r\n", "GET\r\n\r\n", "G\x01T / HTTP/1.1\r\n\r\n"):
        head, _, body = send(nginx, raw).partition(b"\r\n\r\n")
        assert b" 400 " in head.split(b"\r\n")[0] and b"application/problem+json" in head, (raw, head)
        assert json.loads(body)["reason"] == "bad_request"
    hidden = send(nginx, "GET /.nginx/refused HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert hidden.split()[1] == b"404"


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: x", "Host: evil.example"], ["Host: evil.example/x"], ["Host: x\tevil"], ["Host: x, evil"], ["Host:"],
        ["X: y"], ["Host: x", "X" * 70_000 + ": y"], ["Host: x", "Cookie: " + "a" * 70_000],
    ],
    ids=lambda lines: lines[-1][:20],
)  # fmt: skip
def test_odd_hosts_and_swollen_headers_are_refused(nginx, lines):
    raw = "GET /api/v1/channels HTTP/1.1\r\nConnection: close\r\n" + "\r\n".join(lines) + "\r\n\r\n"
    assert int(send(nginx, raw).split()[1]) in (400, 431, 494)


def test_headers_with_an_underscore_stand_for_nothing(nginx, api):
    """Behind WSGI `X_Forwarded_For` and `X-Forwarded-For` have one name; nginx drops the first."""
    feigned = "X_Forwarded_For: 203.0.113.7\r\nX_Request_Id: underscored-0001\r\nIf_None_Match: *\r\nAuthorization_: x"
    answer = send(nginx, f"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{feigned}\r\n\r\n")
    assert answer.split()[1] == b"401" and b"underscored-0001" not in answer
    in_step(nginx, api)
    assert "underscored-0001" not in api.output.read_text() and "203.0.113.7" not in api.output.read_text()


@pytest.mark.parametrize(
    "word", ['x","status":200,"y":"', "\\u0022,", "<script>alert(1)</script>", "a" * 300, "%0a%0d", "é" * 20]
)
def test_a_feigned_request_id_writes_no_line_of_its_own(nginx, api, word):
    answer = send(
        nginx, f"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: {word}\r\n\r\n"
    )
    assert word.encode("latin-1") not in answer
    in_step(nginx, api)
    for line in (nginx.folder / "access.log").read_text().splitlines():
        json.loads(line)
    assert word not in api.output.read_text()


def test_clients_that_dawdle_over_their_headers_are_shown_the_door(nginx):
    """Two hundred that send a header a byte at a time: closed after ten seconds, and nobody else notices."""
    head = b"GET /api/v1/channels HTTP/1.1\r\nHost: x\r\nX-Slow: "
    lines = [socket.create_connection(("127.0.0.1", nginx.port)) for _ in range(200)]
    deadline, closed = Deadline(25), set()
    try:
        for line in lines:
            line.sendall(head)
            line.setblocking(False)
        worst = 0.0
        while len(closed) < len(lines) and not deadline.over():
            asked = time.monotonic()
            assert status(nginx.url + "/api/v1/channels") == 200
            worst = max(worst, time.monotonic() - asked)
            closed |= {line for line in lines if line not in closed and is_closed(line)}
            until(lambda asked=asked: time.monotonic() - asked > 0.5, 5)
    finally:
        for line in lines:
            line.close()
    assert len(closed) == len(lines) and worst < patience(2)


def is_closed(line):
    """Send one more byte, and tell whether the other side has gone."""
    try:
        line.send(b"x")
        return line.recv(1000) == b"" or True
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_clients_that_dawdle_over_their_bodies_take_no_thread(nginx, api):
    """Ninety bodies that never come: the API has sixteen threads, and none of them waits."""
    head = POST + "Content-Length: 200\r\n\r\n{"
    lines = [socket.create_connection(("127.0.0.1", nginx.port)) for _ in range(90)]
    try:
        for line in lines:
            line.sendall(head.encode())
        for _ in range(20):
            began = time.monotonic()
            assert status(nginx.url + "/api/v1/channels?max_results=1") == 200
            assert time.monotonic() - began < patience(2)
    finally:
        for line in lines:
            line.close()


def sign_up(api):
    """Register somebody at the API itself, with a channel; return a function that posts as him."""
    http = requests.Session()
    base, body = f"{api.url}/api/v1", {"username": "slowpoke", "password": "correct horse battery staple"}
    assert (
        http.post(f"{base}/auth/register", json={**body, "email": "slowpoke@example.org"}).status_code == 201
    )
    tokens = http.post(f"{base}/auth/login", json={"login": "slowpoke", "password": body["password"]}).json()
    http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return http, base, http.post(f"{base}/channels", json={"handle": "slowpoke", "name": "x"}).json()["_id"]


def test_uploads_that_dawdle_leave_threads_for_everybody_else(nginx, api):
    """Resumable uploads are not buffered by nginx, so that they can go on where they broke off: each takes a thread."""
    http, base, channel = sign_up(api)
    places = []
    for _ in range(24):
        video = http.post(f"{base}/videos", json={"channel": channel, "title": "x"}).json()["_id"]
        begun = http.post(f"{base}/videos/{video}/uploads", json={"mode": "resumable", "bytes": 100_000})
        places.append(begun.json()["upload_url"].partition("/api/v1")[2])
    lines = []
    try:
        for number, path in enumerate(places):
            # Eight at a time is what nginx takes of one address.
            source = (f"127.0.0.{2 + number // 8}", 0)
            lines.append(socket.create_connection(("127.0.0.1", nginx.port), source_address=source))
            head = [
                f"PATCH /api/v1{path} HTTP/1.1", "Host: x", f"Authorization: {http.headers['Authorization']}",
                "Tus-Resumable: 1.0.0", "Upload-Offset: 0", "Content-Type: application/offset+octet-stream",
                "Content-Length: 100000", "", "\x00\x00\x00\x18ftypmp42",
            ]  # fmt: skip
            lines[-1].sendall("\r\n".join(head).encode("latin-1"))
            assert status(f"{nginx.url}/livez") == 200
        until(lambda: sum(refused(line) for line in lines) == 16, 10)
        for number in range(20):
            began = time.monotonic()
            assert status(f"{nginx.url}/api/v1/me?{number}") == 401
            assert time.monotonic() - began < patience(2)
    finally:
        for line in lines:
            line.close()


def refused(line):
    """Tell whether an upload has been told to come again."""
    line.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        answer = line.recv(4096, socket.MSG_PEEK)
        assert b" 503 " in answer and b"etry-" in answer and b"application/problem+json" in answer, answer
        return True
    return False
