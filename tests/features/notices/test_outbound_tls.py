"""Webhooks over TLS: a receiver with a certificate of an authority of our own, and all that must not pass."""

import datetime
import http.server
import ipaddress
import socket
import ssl
import threading

import pytest
from bson import ObjectId
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clients import outbound
from clients.outbound import Unreachable, post
from features.notices.webhook_signing import sign
from machine.jobs.runner import run_job

NAME = "hooks.example"
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM


class Authority:
    """Signs certificates for receivers."""

    def __init__(self, folder):
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.path = folder / "authority.pem"
        self.path.write_bytes(self.issue(self.subject, self.key, is_authority=True).public_bytes(PEM))

    def issue(self, subject, key, names=(), days=1, is_authority=False):
        today = datetime.datetime.now(datetime.UTC)
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self.subject)
        made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
        made = made.not_valid_before(today - 30 * DAY).not_valid_after(today + days * DAY)
        made = made.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return made.sign(self.key, hashes.SHA256())

    def context(self, *names, days=1):
        """Return what a server needs to speak for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
        found = [x509.DNSName(n) if isinstance(n, str) else x509.IPAddress(n) for n in names]
        path = self.folder / f"{id(key)}.pem"
        plain = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(self.issue(subject, key, found, days).public_bytes(PEM) + plain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


class Receiver:
    """A user's program behind TLS; notes the name it was called by, and what it heard."""

    def __init__(self, context, address="127.0.0.1", port=0):
        self.heard, self.called = [], []
        receiver = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append((self.path, self.headers, body))
                self.send_response(308 if self.path == "/moved" else 204)
                self.send_header("Location", f"https://{NAME}:{receiver.port}/secret")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                """A caller who hangs up over our certificate is what some tests want."""

        context.sni_callback = lambda line, name, context: self.called.append(name)
        self.server = Server((address, port), Answer)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(authority, monkeypatch):
    """Trust the authority as an operator would: OpenSSL reads this variable."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))


@pytest.fixture
def resolver(monkeypatch):
    """A name server: each look-up of the name takes the next answer, the last one for ever."""
    answers, asked, real = ["127.0.0.1"], [], socket.getaddrinfo

    def getaddrinfo(host, port, *rest, **more):
        if host != NAME:
            return real(host, port, *rest, **more)
        asked.append(host)
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(outbound.socket, "getaddrinfo", getaddrinfo)
    return answers, asked


@pytest.fixture
def open_receiver():
    opened = []

    def open_(context, *where):
        opened.append(Receiver(context, *where))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def call(receiver, host=NAME, path="/hook"):
    return post(f"https://{host}:{receiver.port}{path}", b"{}", {}, private=True)


def test_receiver_whose_name_is_certified_is_called_by_that_name(trusted, authority, resolver, open_receiver):
    receiver = open_receiver(authority.context(NAME))
    assert call(receiver).status == 204
    assert receiver.called == [NAME]
    ((path, headers, body),) = receiver.heard
    assert (path, headers["Host"], body) == ("/hook", f"{NAME}:{receiver.port}", b"{}")


def test_address_that_is_certified_may_be_called_by_its_number(trusted, authority, open_receiver):
    receiver = open_receiver(authority.context(ipaddress.ip_address("127.0.0.1")))
    assert call(receiver, "127.0.0.1").status == 204


@pytest.mark.parametrize("names", [("other.example",), ("*.hooks.example",), (ipaddress.ip_address("127.0.0.1"),)],
                         ids=["another", "below", "address"])  # fmt: skip
def test_certificate_for_another_name_is_refused_before_a_word_is_said(
    trusted, authority, resolver, open_receiver, names
):
    """The address is right in each case: it is the name that a certificate is for."""
    receiver = open_receiver(authority.context(*names))
    with pytest.raises(Unreachable):
        call(receiver)
    assert receiver.called == [NAME] and receiver.heard == []


def test_certificate_that_has_expired_is_refused(trusted, authority, resolver, open_receiver):
    receiver = open_receiver(authority.context(NAME, days=-1))
    with pytest.raises(Unreachable):
        call(receiver)
    assert receiver.heard == []


def test_authority_that_nobody_trusts_is_refused(authority, resolver, open_receiver):
    receiver = open_receiver(authority.context(NAME))
    with pytest.raises(Unreachable):
        call(receiver)
    assert receiver.heard == []


def test_receiver_that_speaks_no_tls_is_refused(trusted, resolver):
    with socket.create_server(("127.0.0.1", 0)) as plain:
        port = plain.getsockname()[1]

        def answer():
            line, _ = plain.accept()
            with line:
                line.recv(4096)
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Unreachable):
            post(f"https://{NAME}:{port}/", b"{}", {}, private=True)
        thread.join()


def test_redirect_is_not_followed_over_tls(trusted, authority, resolver, open_receiver):
    receiver = open_receiver(authority.context(NAME))
    assert call(receiver, path="/moved").status == 308
    assert [path for path, _, _ in receiver.heard] == ["/moved"]


def test_name_that_turns_elsewhere_after_the_check_leads_nowhere_else(
    trusted, authority, resolver, open_receiver
):
    """DNS rebinding: the second answer of the name server is another host, which listens on the same port."""
    answers, asked = resolver
    checked = open_receiver(authority.context(NAME))
    turned = open_receiver(authority.context(NAME), "127.0.0.2", checked.port)
    answers[:] = ["127.0.0.1", "127.0.0.2"]
    assert call(checked).status == 204
    assert asked == [NAME] and len(checked.heard) == 1 and turned.heard == turned.called == []


def test_name_that_turns_inward_between_two_tries_is_not_called_again(
    trusted, authority, resolver, open_receiver
):
    """Each call looks the name up and checks it anew: public addresses alone, whatever it was before."""
    answers, asked = resolver
    receiver = open_receiver(authority.context(NAME))
    answers[:] = ["127.0.0.1"]
    with pytest.raises(outbound.BadTarget):
        post(f"https://{NAME}/hook", b"{}", {})
    assert asked == [NAME] and receiver.called == []


def test_event_arrives_over_tls_with_a_signature_that_holds(
    trusted, authority, resolver, open_receiver, app, bob
):
    object.__setattr__(app.settings, "webhook_private_targets", True)
    try:
        receiver = open_receiver(authority.context(NAME))
        made = bob.post("/webhooks", {"url": f"https://{NAME}:{receiver.port}/hook"}).json
        delivery = ObjectId(bob.post(f"/webhooks/{made['_id']}/ping").json["_id"])
        job = app.services.db.jobs.find_one({"type": "deliver", "subject.id": delivery})
        run_job(job["_id"], app.services, app.store)
    finally:
        object.__setattr__(app.settings, "webhook_private_targets", False)
    kept = app.store.get("webhook_deliveries", delivery)
    assert (kept["state"], kept["answer_status"], kept["error"]) == ("succeeded", 204, None)
    ((_, headers, body),) = receiver.heard
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == sign(made["secret"], headers["webhook-id"], stamp, body)
