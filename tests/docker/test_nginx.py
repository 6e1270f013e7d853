"""The shipped nginx configuration in front of two API processes: slow clients, odd requests, large files, one down."""

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from dev.datadir import free_port
from tests.docker.conftest import ROOT, Served, status, until
from tests.patience import patience
from tests.platform import PASSWORD, Platform

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(not NGINX, reason="needs Debian's package nginx-light"),
]
GIB = 1024**3


class Nginx:
    """Debian's nginx on the shipped configuration, with other ports and folders."""

    def __init__(self, folder, ports):
        self.folder, self.port = folder, free_port()
        conf = (ROOT / "docker" / "nginx" / "nginx.conf").read_text()
        (folder / "run").mkdir(parents=True)
        (folder / "bodies").mkdir()
        for there, here in (("/run/nginx/", f"{folder}/run/"), ("/tmp/nginx/", f"{folder}/bodies/"),
                            ("listen 8080", f"listen 127.0.0.1:{self.port}"),
                            ("/dev/stdout", f"{folder}/access.log"),
                            ("/dev/stderr", f"{folder}/error.log")):  # fmt: skip
            assert there in conf
            conf = conf.replace(there, here)
        # Started by root it would run its workers as somebody who may not enter the folders of a test.
        (folder / "nginx.conf").write_text(("user root;\n" if os.geteuid() == 0 else "") + conf)
        servers = "".join(f"server 127.0.0.1:{port} max_fails=3 fail_timeout=5s;\n" for port in ports)
        (folder / "upstream.conf").write_text(servers)
        # The process of streams is away: the API, there as the one in reserve, serves them.
        reserve = "".join(f"server 127.0.0.1:{port} backup;\n" for port in ports)
        (folder / "streams.conf").write_text(f"server 127.0.0.1:{free_port()};\n" + reserve)
        self.command = [
            NGINX,
            "-p",
            str(folder),
            "-c",
            str(folder / "nginx.conf"),
            "-e",
            str(folder / "error.log"),
        ]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        subprocess.run([*self.command, "-t", "-q"], check=True)
        self.process = subprocess.Popen([*self.command, "-g", "daemon off;"])
        until(lambda: status(self.url + "/livez") == 200, 20)
        return self

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(patience(5))
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait(patience(10))

    def ask(self, raw, seconds=20):
        """Send bytes as they are and return all that is answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as line:
            line.sendall(raw)
            answer = b""
            # nginx may reset a connection whose body it does not want, after it has answered.
            with contextlib.suppress(ConnectionResetError):
                while piece := line.recv(65536):
                    answer += piece
        return answer


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    """Everything but the API, which runs twice behind nginx as an image runs it."""
    folder = tmp_path_factory.mktemp("proxied")
    with Platform(folder / "data", parts=("beat", "worker"), LOG_LEVEL="INFO") as platform:
        environ = {**platform.environ, "TRUSTED_PROXIES": "1", "ACCESS_LOG": "1"}
        environ.pop("METRICS_DIR")
        for name in ("one", "two"):
            (folder / name).mkdir()
        options = ("--threads", "4", "--drain-seconds", "1")
        with contextlib.ExitStack() as running:
            served = [
                running.enter_context(Served(environ, folder / name, *options)) for name in ("one", "two")
            ]
            nginx = running.enter_context(Nginx(folder / "nginx", [one.port for one in served]))
            platform.nginx, platform.served = nginx, served
            platform.stack.plan.env["PUBLIC_URL"] = nginx.url
            yield platform


@pytest.fixture(scope="module")
def nginx(platform):
    return platform.nginx


@pytest.fixture(scope="module")
def alice(platform):
    return platform.sign_up("alice").make_channel("alice")


def test_a_film_makes_its_journey_through_it(alice):
    video = alice.make_video("Big Buck Bunny", visibility="public")
    answer = alice.upload(video)
    assert answer.status_code == 202, answer.text
    film = alice.await_end(video, seconds=90)
    assert film["status"] == "READY"
    playback = alice.get(f"/videos/{video}/playback")
    assert playback.status_code == 200 and playback.json()["mp4"]
    assert alice.platform.call("GET", f"/videos/{video}").json()["title"] == "Big Buck Bunny"


def test_both_processes_get_requests(platform, nginx):
    for _ in range(20):
        assert status(nginx.url + "/livez") == 200
    for one in platform.served:
        assert "/livez" in one.output.read_text()


def test_slow_clients_cost_nobody_else_anything(nginx):
    """The two processes have four threads each: without a proxy that buffers, nine slow bodies would take them all."""
    body = json.dumps({"login": "nobody", "password": "four words and a lamp"}).encode()
    head = (
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    slow = [socket.create_connection(("127.0.0.1", nginx.port)) for _ in range(60)]
    try:
        for number, line in enumerate(slow):
            line.sendall(head.encode()[: 30 if number % 2 else None] + (b"" if number % 2 else body[:5]))
        began = time.monotonic()
        assert all(status(nginx.url + "/api/v1/channels") == 200 for _ in range(20))
        assert time.monotonic() - began < patience(5)
        slow[0].sendall(body[5:])
        assert slow[0].recv(100).startswith(b"HTTP/1.1 401")
    finally:
        for line in slow:
            line.close()


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("both lengths", ["Content-Length: 4", "Transfer-Encoding: chunked"]),
        ("two lengths", ["Content-Length: 4", "Content-Length: 5"]),
        ("odd coding", ["Transfer-Encoding: xchunked"]),
        ("space before the colon", ["Transfer-Encoding : chunked"]),
        ("no number", ["Content-Length: +4"]),
    ],
)
def test_a_request_of_two_meanings_is_refused(platform, nginx, kind, lines):
    before = [one.output.read_text().count("smuggled") for one in platform.served]
    raw = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + "\r\n".join(lines)
    answer = nginx.ask(raw.encode() + b"\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    assert int(answer.split()[1]) in (400, 501), answer[:200]
    assert before == [one.output.read_text().count("smuggled") for one in platform.served]


def test_what_a_client_says_of_proxies_is_overwritten(platform, alice):
    feigned = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7"}
    body = {"login": "alice", "password": PASSWORD}
    assert platform.call("POST", "/auth/login", json=body, headers=feigned).status_code == 200
    addresses = {session["address"] for session in alice.get("/sessions").json()["_items"]}
    assert addresses == {"127.0.0.0/24"}


def test_metrics_stay_inside(platform, nginx):
    assert status(nginx.url + "/metrics") == 404
    assert status(platform.served[0].url + "/metrics") == 200


def test_what_nginx_refuses_is_a_problem_too(nginx):
    answer = nginx.ask(
        b"POST /api/v1/channels HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9000000\r\n\r\n"
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 413 " in head.split(b"\r\n")[0] and b"application/problem+json" in head
    assert json.loads(body)["reason"] == "body_too_large" and json.loads(body)["status"] == 413


def test_the_request_id_is_the_clients_through_all(nginx):
    name = "through-nginx-0001"
    answer = nginx.ask(
        f"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: {name}\r\n\r\n".encode()
    )
    assert f"X-Request-Id: {name}".lower().encode() in answer.lower()
    until(lambda: name in (nginx.folder / "access.log").read_text(), 5)


def test_a_gibibyte_goes_through_and_nobody_holds_it_in_memory(platform, nginx, alice):
    video = alice.make_video("Large")
    head = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
    before, after = (
        b'--cut\r\nContent-Disposition: form-data; name="file"; filename="large.mp4"\r\n\r\n', b"\r\n--cut--\r\n",
    )  # fmt: skip
    piece = b"\x00" * (1024 * 1024)
    digest = hashlib.sha256(head)
    line = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=patience(300))
    line.putrequest("POST", f"/api/v1/videos/{video}/upload")
    line.putheader("Authorization", f"Bearer {alice.token}")
    line.putheader("Content-Type", "multipart/form-data; boundary=cut")
    line.putheader("Content-Length", str(len(before) + len(head) + GIB + len(after)))
    line.endheaders()
    line.send(before + head)
    for _ in range(GIB // len(piece)):
        line.send(piece)
        digest.update(piece)
    line.send(after)
    peak = max(
        memory(pid) for pid in family([one.process.pid for one in platform.served] + [nginx.process.pid])
    )
    answer = line.getresponse()
    assert answer.status == 202, answer.read()
    peak = max(peak, *(memory(pid) for pid in family([one.process.pid for one in platform.served])))
    assert peak < 300 * 1024 * 1024, peak
    line.close()


def family(pids):
    """Return these processes and their children."""
    found = list(pids)
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
            found += family([int(child) for child in children])
    return found


def memory(pid):
    """Return the most memory that a process ever held, in bytes."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def test_a_stream_comes_through_it_at_once_though_its_own_process_is_away(platform, nginx, alice):
    """Without `run.py streams` the API serves it, as the one in reserve."""
    head = f"GET /api/v1/me/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=patience(10)) as line:
        line.sendall(head.encode())
        seen = b""
        while b"retry: " not in seen:
            piece = line.recv(65536)
            assert piece, seen
            seen += piece
    assert seen.startswith(b"HTTP/1.1 200") and b"text/event-stream" in seen


def test_one_process_leaves_and_no_request_fails(platform, nginx):
    """The last test: the first process drains and ends while requests go on."""
    leaving = platform.served[0]
    leaving.process.terminate()
    seen = []
    until(
        lambda: seen.append(status(nginx.url + "/api/v1/channels")) or leaving.process.poll() is not None, 30
    )
    seen += [status(nginx.url + "/api/v1/channels") for _ in range(20)]
    assert set(seen) == {200} and leaving.process.returncode == 0
