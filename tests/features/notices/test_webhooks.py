"""Webhooks of users: signed, retried, logged, and never turned against ourselves."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from assembly import create_app
from clients import outbound
from features.notices.webhook_signing import sign
from tests.audience import latest_event, make_channel, make_comment, make_video, pass_on, pass_on_again
from tests.conftest import empty, sign_up


class Ear(ThreadingHTTPServer):
    """A user's program: hears calls and answers as told."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Hears)
        self.heard, self.status = [], 200
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hook?x=1"


class Hears(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.headers, body))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def ear():
    ear = Ear()
    yield ear
    ear.shutdown()
    ear.server_close()


@pytest.fixture(scope="module")
def app(settings):
    """An application that may call programs on this machine."""
    app = create_app(settings, webhook_private_targets=True)
    object.__setattr__(app.settings, "webhook_private_targets", True)
    empty(app)
    yield app
    object.__setattr__(app.settings, "webhook_private_targets", False)
    app.services.close()


def register(client, url, events=()):
    answer = client.post("/webhooks", {"url": url, "events": list(events)})
    assert answer.status_code == 201, answer.json
    return answer.json


def types(ear):
    return [json.loads(body)["type"] for _, body in ear.heard]


def try_again(app, times):
    """Let the time of the back-off pass, and work."""
    for _ in range(times):
        app.services.db["jobs"].update_many({"state": "queued"}, [{"$set": {"next_retry_at": "$$NOW"}}])
        pass_on(app)


def test_event_is_delivered_with_a_signature_that_holds(app, alice, bob, ear):
    webhook = register(alice, ear.url, ["comments.created"])
    make_comment(bob, make_video(alice), "Heard?")
    pass_on(app)
    headers, body = ear.heard[0]
    stamp, id_ = int(headers["webhook-timestamp"]), headers["webhook-id"]
    assert headers["webhook-signature"] == sign(webhook["secret"], id_, stamp, body)
    assert json.loads(body)["data"]["text"] == "Heard?"
    assert types(ear) == ["comments.created"]


def test_only_ones_own_events_are_delivered(app, alice, bob, carol, ear):
    register(carol, ear.url)
    make_comment(bob, make_video(alice))
    pass_on(app)
    assert ear.heard == []


def test_event_is_delivered_once_to_each_webhook(app, alice, bob, ear):
    pass_on(app)
    start = latest_event(app)
    register(alice, ear.url, ["channels.created"])
    make_channel(alice)
    pass_on(app)
    pass_on_again(app, start)
    assert types(ear) == ["channels.created"]


def test_secret_is_shown_once_and_can_be_replaced(alice, ear):
    webhook = register(alice, ear.url)
    assert webhook["secret"].startswith("whsec_")
    assert "secret" not in alice.get(f"/webhooks/{webhook['_id']}").json
    again = alice.post(f"/webhooks/{webhook['_id']}/rotate").json["secret"]
    assert again.startswith("whsec_") and again != webhook["secret"]


def test_secret_lies_sealed_in_the_database(app, alice, ear):
    secret = register(alice, ear.url)["secret"]
    for kept in app.services.db["webhook_secrets"].find():
        assert secret.encode() not in kept["sealed"]


def test_failing_delivery_is_tried_again_and_logged(app, alice, ear):
    webhook = register(alice, ear.url, ["channels.updated"])
    ear.status = 500
    alice.post(f"/webhooks/{webhook['_id']}/ping")
    pass_on(app)
    path = f"/webhooks/{webhook['_id']}/deliveries"
    first = alice.get(path).json["_items"][0]
    assert (first["state"], first["attempts"], first["answer_status"]) == ("pending", 1, 500)
    ear.status = 204
    try_again(app, 1)
    last = alice.get(path).json["_items"][0]
    assert (last["state"], last["attempts"], last["error"]) == ("succeeded", 2, None)


def test_delivery_is_given_up_and_can_be_sent_again(app, alice, ear):
    webhook = register(alice, ear.url, ["channels.updated"])
    ear.status = 500
    delivery = alice.post(f"/webhooks/{webhook['_id']}/ping").json["_id"]
    try_again(app, 9)
    assert alice.get(f"/webhook_deliveries/{delivery}").json["state"] == "failed"
    assert len(ear.heard) == 8
    assert alice.get(f"/webhooks/{webhook['_id']}").json["failures"] == 1
    ear.status = 200
    assert alice.post(f"/webhook_deliveries/{delivery}/redeliver").status_code == 202
    try_again(app, 1)
    assert alice.get(f"/webhook_deliveries/{delivery}").json["state"] == "succeeded"
    assert alice.get(f"/webhooks/{webhook['_id']}").json["failures"] == 0


@pytest.mark.parametrize("way", ["redeliver", "ping"])
def test_delivery_is_never_owed_without_its_job(app, alice, ear, monkeypatch, way):
    """Nobody looks for a delivery that waits for a job which a crash kept from being recorded."""
    hook = alice.post("/webhooks", {"url": ear.url}).json["_id"]
    delivery = alice.post(f"/webhooks/{hook}/ping").json["_id"]
    deliveries = app.services.db["webhook_deliveries"]
    deliveries.update_one({"_id": ObjectId(delivery)}, {"$set": {"state": "failed"}})
    before = list(deliveries.find())

    def drop(*_, **__):
        raise AutoReconnect("gone")

    monkeypatch.setattr(app.services.jobs, "record", drop)
    path = f"/webhooks/{hook}/ping" if way == "ping" else f"/webhook_deliveries/{delivery}/redeliver"
    assert alice.post(path).status_code == 503
    assert list(deliveries.find()) == before


def test_webhook_that_always_fails_is_switched_off(app, alice, ear):
    webhook = register(alice, ear.url, ["channels.updated"])
    app.services.db["webhooks"].update_one({"url": ear.url}, {"$set": {"failures": 19}})
    ear.status = 500
    alice.post(f"/webhooks/{webhook['_id']}/ping")
    try_again(app, 9)
    off = alice.get(f"/webhooks/{webhook['_id']}").json
    assert off["active"] is False and off["trouble"]
    assert alice.patch(f"/webhooks/{webhook['_id']}", {"active": True}).json["failures"] == 0


def test_redirects_are_not_followed(app, alice, ear):
    webhook = register(alice, ear.url, ["channels.updated"])
    ear.status = 302
    alice.post(f"/webhooks/{webhook['_id']}/ping")
    pass_on(app)
    assert len(ear.heard) == 1
    assert alice.get(f"/webhooks/{webhook['_id']}/deliveries").json["_items"][0]["answer_status"] == 302


def test_webhooks_and_deliveries_are_ones_own(alice, bob, ear):
    webhook = register(alice, ear.url)["_id"]
    assert bob.get(f"/webhooks/{webhook}").status_code == 404
    assert bob.post(f"/webhooks/{webhook}/ping").status_code == 404
    assert bob.get(f"/webhooks/{webhook}/deliveries").status_code == 404


def test_unknown_event_is_refused_with_the_known_ones(alice, ear):
    answer = alice.post("/webhooks", {"url": ear.url, "events": ["videos.exploded"]})
    assert answer.status_code == 422 and "videos.published" in answer.json["issues"]["events"]


def test_there_are_only_so_many_webhooks(app, ear):
    user = sign_up(app, "collector")
    for _ in range(20):
        register(user, ear.url)
    assert user.post("/webhooks", {"url": ear.url}).json["reason"] == "too_many"


def test_events_can_be_replayed_after_a_number(app, alice):
    first = make_channel(alice)
    pass_on(app)
    seq = [one for one in alice.get("/events?max_results=100").json["_items"] if one["subject"] == first][0][
        "seq"
    ]
    second = make_channel(alice)
    pass_on(app)
    after = alice.get(f"/events?after={seq}").json["_items"]
    assert [one["subject"] for one in after if one["type"] == "channels.created"] == [second]


def test_numbers_of_events_rise_with_time(app, alice):
    for _ in range(3):
        make_channel(alice)
    pass_on(app)
    items = alice.get("/events?max_results=100").json["_items"]
    assert [one["seq"] for one in items] == sorted({one["seq"] for one in items})


@pytest.mark.parametrize("url", [
    "http://example.org/", "https://user:pass@example.org/", "https://example.org:22/", "https:///x",
    "https://[::1/", "ftp://example.org/", "https://ex\u00e4mple.org/",
])  # fmt: skip
def test_targets_that_are_not_to_be_called_are_refused(url):
    with pytest.raises(outbound.BadTarget):
        outbound.check_url(url)


@pytest.mark.parametrize("url", [
    "https://127.0.0.1/", "https://localhost/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://0.0.0.0/", "https://2130706433/", "https://0x7f.1/",
    "https://192.168.1.1/", "https://100.64.0.1/", "https://[fd00::1]/", "https://[fe80::1]/",
])  # fmt: skip
def test_private_addresses_are_never_called(url):
    with pytest.raises((outbound.BadTarget, outbound.Unreachable)):
        outbound.post(url, b"{}", {})


@pytest.mark.parametrize("address", [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fc00::1", "fe80::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1",
])  # fmt: skip
def test_address_is_not_public(address):
    assert not outbound.is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111"])
def test_address_is_public(address):
    assert outbound.is_public(ip_address(address))


def test_name_with_one_private_address_is_not_called(monkeypatch):
    answers = [(2, 1, 6, "", ("93.184.215.14", 443)), (2, 1, 6, "", ("127.0.0.1", 443))]
    monkeypatch.setattr(outbound.socket, "getaddrinfo", lambda *a, **k: answers)
    with pytest.raises(outbound.BadTarget):
        outbound.post("https://rebinding.example/", b"{}", {})
