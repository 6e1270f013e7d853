"""Webhooks as a way to our inside: a real listener on loopback hears of no delivery, however its address is spelt.

Which addresses are public is tried one by one in tests/features/notices/test_outbound.py.
"""

import contextlib
import socket
import threading
import time

import pytest

from clients import outbound
from clients.outbound import BadTarget, Unreachable, post
from tests.audience import pass_on

PORT = 8443
SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.000.000.001",
    "0",
    "0.0.0.0",
    "localhost",
    "LocalHost",
    "localhost.",
    "x.localhost",
    "ip6-localhost",
    "ip6-loopback",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::1%25lo]",
    "[::ffff:0:7f00:1]",
    "127.0.0.1.",
    "127。0。0。1",
    "１２７.0.0.1",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "127.0.0.1%00.example.org",
    "example.org@127.0.0.1",
    "127.0.0.1#@example.org",
    "example.org:443@127.0.0.1",
    "127.0.0.1\\@example.org",
    "example.org\\@127.0.0.1",
    "[::1].example.org",
    "%31%32%37.0.0.1",
    "127.0.0.1;example.org",
    "\t127.0.0.1",
    "127.0.0.1 ",
]
METADATA = [
    "169.254.169.254",
    "[fd00:ec2::254]",
    "metadata.google.internal",
    "2852039166",
    "0xa9fea9fe",
    "100.100.100.200",
    "[::ffff:a9fe:a9fe]",
    "169.254.170.2",
    "192.0.0.192",
    "168.63.129.16",
    "[3fff::1]",
    "192.88.99.1",
    "[2001:1ff::1]",
]


@pytest.fixture(scope="module")
def heard():
    """Addresses that have connected to loopback at the port that webhooks may name."""
    found, listeners = [], []
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")):
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1" if family == socket.AF_INET else address, PORT))
        except OSError:
            listener.close()
            continue
        listener.listen()
        listeners.append(listener)
        threading.Thread(target=accept, args=(listener, found), daemon=True).start()
    if not listeners:
        pytest.skip(f"port {PORT} is in use")
    yield found
    for one in listeners:
        # Waking it first: closing alone leaves the thread in accept().
        socket.create_connection(one.getsockname()[:2]).close()
        one.close()


def accept(listener, found):
    while True:
        try:
            connection, address = listener.accept()
        except OSError:
            return
        found.append(address)
        connection.close()


def test_the_listener_hears_who_does_connect(heard):
    with pytest.raises(Unreachable):
        post(f"https://127.0.0.1:{PORT}/", b"{}", {}, private=True)
    deadline = time.monotonic() + 5
    while not heard and time.monotonic() < deadline:
        time.sleep(0.01)
    assert heard.pop()


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_loopback_is_connected_to(heard, host):
    with pytest.raises((BadTarget, Unreachable)):
        post(f"https://{host}:{PORT}/hook", b"{}", {})
    assert heard == []


@pytest.mark.parametrize("host", METADATA)
def test_no_metadata_service_is_asked(host, monkeypatch):
    monkeypatch.setattr(outbound, "connect_to", lambda *words: pytest.fail(f"a connection to {words}"))
    with pytest.raises((BadTarget, Unreachable)):
        post(f"https://{host}/latest/meta-data/", b"{}", {})


@pytest.mark.parametrize("host", SPELLINGS + METADATA)
def test_a_webhook_to_the_inside_is_refused_or_never_delivered(app, alice, heard, host):
    made = alice.post("/webhooks", {"url": f"https://{host}:{PORT}/x", "events": ["channels.created"]})
    assert made.status_code in (201, 422), made.text
    if made.status_code == 201:
        path = f"/webhooks/{made.json['_id']}"
        assert alice.post(f"{path}/ping").status_code in (201, 202)
        pass_on(app)
        deliveries = alice.get(f"{path}/deliveries").json["_items"]
        assert deliveries and {one["state"] for one in deliveries} <= {"failed", "pending"}
        assert alice.delete(path).status_code == 204
    assert heard == []


def test_a_url_changed_later_is_checked_as_well(alice, heard):
    made = alice.post("/webhooks", {"url": "https://example.org/x", "events": ["channels.created"]}).json
    for host in ("127.0.0.1", "[::1]", "169.254.169.254"):
        answer = alice.patch(f"/webhooks/{made['_id']}", {"url": f"https://{host}/x"})
        assert answer.status_code == 422 and answer.json["reason"] == "bad_target"


def test_a_resolver_that_lies_between_check_and_call_gains_nothing(heard, monkeypatch):
    """The first answer is public, each later one is loopback: the connection goes to the first, or nowhere."""
    answers = iter([[(2, 1, 6, "", ("192.0.2.1", PORT))]])
    monkeypatch.setattr(outbound, "is_public", lambda address: str(address) == "192.0.2.1")
    loopback = [(2, 1, 6, "", ("127.0.0.1", PORT))]
    monkeypatch.setattr(outbound, "CONNECT_SECONDS", 0.3)
    real = socket.getaddrinfo

    def lie(host, *words, **more):
        return next(answers, loopback) if host == "rebind.example" else real(host, *words, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lie)
    with pytest.raises(Unreachable):
        post(f"https://rebind.example:{PORT}/", b"{}", {})
    assert heard == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_receiver_that_dawdles_holds_the_worker_for_a_while_only(monkeypatch, scheme):
    """It sends a byte now and then, so that no single wait is long: in a header, or in the middle of a TLS record."""
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 1.0)
    done = threading.Event()

    def dawdle():
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: " if scheme == "http" else b"\x16\x03\x03\x40\x00")
            while not done.wait(0.1):
                try:
                    connection.sendall(b"\x02")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=dawdle)
        thread.start()
        began = time.monotonic()
        try:
            with contextlib.suppress(Unreachable):
                post(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/", b"{}", {}, private=True)
            assert time.monotonic() - began < 4
        finally:
            done.set()
            thread.join()
