"""Webhooks: called at public addresses alone, whatever name, form, redirect or resolver says."""

import http.server
import threading
from ipaddress import ip_address

import pytest

from clients import outbound
from clients.outbound import BadTarget, Unreachable, check_url, is_public, post, resolve
from tests.studio import TEXT, ids, refused

PRIVATE = [
    "0.0.0.0",
    "127.0.0.1",
    "127.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "5f00::1",
    "4000::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_address_that_is_not_public_is_never_called(address):
    assert not is_public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises((BadTarget, Unreachable)):
        post(f"https://{host}/hook", b"{}", {})


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"]
)
def test_public_address_is_public(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "0",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "[::1%25lo]",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
    ],
)
def test_other_ways_to_write_loopback_are_refused(host):
    with pytest.raises((BadTarget, Unreachable)):
        post(f"https://{host}/hook", b"{}", {})


def test_name_with_one_private_address_among_public_ones_is_refused(monkeypatch):
    """What a name server of the attacker's would answer."""
    found = [(2, 1, 6, "", (address, 443)) for address in ("8.8.8.8", "127.0.0.1")]
    monkeypatch.setattr(outbound.socket, "getaddrinfo", lambda *args, **more: found)
    with pytest.raises(BadTarget):
        resolve("rebind.example", 443)


def test_name_that_changes_its_mind_is_resolved_once(monkeypatch):
    """The connection goes to the address that was checked, not to what the name means a moment later."""
    answers = [[(2, 1, 6, "", ("8.8.8.8", 443))]]
    called, opened = [], []

    def getaddrinfo(host, *args, **more):
        called.append(host)
        return answers[0]

    def connect_to(scheme, address, port, host):
        opened.append(address)
        raise Unreachable("not in a test")

    monkeypatch.setattr(outbound.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(outbound, "connect_to", connect_to)
    with pytest.raises(Unreachable):
        post("https://rebind.example/", b"{}", {})
    assert called == ["rebind.example"] and opened == ["8.8.8.8"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://x/",
        "https://",
        "https:///x",
        "https://user@example.org/",
        "https://user:pass@example.org/",
        "https://example.org:22/",
        "https://example.org:6379/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://[::1",
        "https://ex\u00e4mple.org/",
        "//example.org/x",
        "https://example.org:8000/",
        "javascript:alert(1)",
        "https://example.org:443@127.0.0.1/",
    ],
)
def test_bad_url_is_refused_when_the_webhook_is_made(bob, url):
    with pytest.raises(BadTarget):
        check_url(url)
    refused(bob.post("/webhooks", {"url": url}), 422)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://10.1.2.3/",
    ],
)
def test_private_address_is_refused_when_the_webhook_is_made(bob, url):
    assert refused(bob.post("/webhooks", {"url": url}), 422) == "bad_target"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a b",
        "https://example.org/\r\nX-Evil: 1",
        "https://example.org/\x00",
        "x" * 10_000,
        "https://example.org/" + "a" * 1000,
        5,
        None,
        ["https://example.org/"],
    ],
)
def test_odd_url_is_refused(bob, url):
    refused(bob.post("/webhooks", {"url": url}), 422)


@pytest.fixture
def hook(bob):
    """A webhook of bob's; he may have twenty."""
    answer = bob.post("/webhooks", {"url": "https://example.org/hook", "description": TEXT})
    assert answer.status_code == 201, answer.json
    yield answer.json
    bob.delete(f"/webhooks/{answer.json['_id']}")


def test_secret_is_shown_once(bob, hook):
    assert hook["secret"].startswith("whsec_")
    for path in (f"/webhooks/{hook['_id']}", "/webhooks"):
        assert hook["secret"] not in bob.get(path).text and "secret" not in bob.get(path).json
    again = bob.post(f"/webhooks/{hook['_id']}/rotate").json["secret"]
    assert again.startswith("whsec_") and again != hook["secret"]


def test_webhook_is_its_owners_alone(bob, carol, dana, anonymous, hook):
    for who in (carol, dana):
        refused(who.get(f"/webhooks/{hook['_id']}"), 404)
        refused(who.patch(f"/webhooks/{hook['_id']}", {"url": "https://evil.example/"}), 404)
        refused(who.delete(f"/webhooks/{hook['_id']}"), 404)
        refused(who.post(f"/webhooks/{hook['_id']}/rotate"), 404)
        refused(who.post(f"/webhooks/{hook['_id']}/ping"), 404)
        assert hook["_id"] not in ids(who.get("/webhooks").json["_items"])
    refused(anonymous.get("/webhooks"), 401)


def test_webhook_cannot_be_turned_to_a_private_address(bob, hook):
    for url in ("http://example.org/", "https://127.0.0.1/", "https://localhost:6379/"):
        refused(bob.patch(f"/webhooks/{hook['_id']}", {"url": url}), 422)


def test_unknown_event_is_refused(bob, hook):
    refused(bob.post("/webhooks", {"url": "https://example.org/", "events": ["users.created2"]}), 422)
    refused(bob.patch(f"/webhooks/{hook['_id']}", {"events": ["x"]}), 422)


def test_call_to_loopback_that_slipped_through_is_not_made(app, bob, hook, later):
    """The name is checked again when it is called."""
    from bson import ObjectId

    from machine.jobs.runner import run_job

    app.store.change("webhooks", {"_id": ObjectId(hook["_id"])}, set={"url": "https://localhost/hook"})
    answer = bob.post(f"/webhooks/{hook['_id']}/ping")
    assert answer.status_code == 202
    job = app.services.db.jobs.find_one({"type": "deliver", "subject.id": ObjectId(answer.json["_id"])})
    run_job(job["_id"], app.services, app.store)
    delivery = app.store.get("webhook_deliveries", ObjectId(answer.json["_id"]))
    assert "public" in (delivery["error"] or "") and delivery["answer_status"] is None


@pytest.fixture
def server():
    """Somewhere that redirects, and notes who came."""
    seen = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(self.path)
            self.send_response(307 if self.path == "/first" else 200)
            self.send_header("Location", "/second")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running.server_address[1], seen
        running.shutdown()
        thread.join()


def test_redirect_is_not_followed(server):
    port, seen = server
    answer = post(f"http://127.0.0.1:{port}/first", b"{}", {}, private=True)
    assert answer.status == 307 and seen == ["/first"]


def test_private_target_is_not_called_at_all(server):
    port, seen = server
    for url in (f"http://127.0.0.1:{port}/x", f"https://127.0.0.1:{port}/x", f"https://localhost:{port}/x"):
        with pytest.raises(BadTarget):
            post(url, b"{}", {})
    assert seen == []
