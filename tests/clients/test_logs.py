"""Logs say what happened to whom and for how long, follow a request into its jobs, and never hold a secret."""

import json
import logging
import re
import secrets
import time
from dataclasses import replace

import pytest
import structlog

from assembly import create_app
from clients import log
from machine.jobs.job import TYPES, job
from machine.jobs.runner import run_job
from tests.audience import pass_on
from tests.conftest import Client
from tests.features.notices.test_webhooks import ear  # noqa: F401
from tests.platform import Platform, poll

FORMATS = ["json", "text"]


@pytest.fixture
def logged(app, capsys):
    """Make applications that log everything; call the fixture's `lines()` for what was written."""
    made = []

    class Logged:
        def make(self, form="json", **changes):
            changes = {"log_format": form, "log_level": "DEBUG", "access_log": 1.0, **changes}
            made.append(create_app(replace(app.settings, **changes)))
            return made[-1]

        def text(self):
            captured = capsys.readouterr()
            return captured.out + captured.err

        def lines(self, event="request"):
            found = [json.loads(line) for line in self.text().splitlines()]
            return [line for line in found if line["event"] == event]

    yield Logged()
    for one in made:
        one.services.close()
    log.configure(app.settings)


def test_a_request_is_one_line_with_all_that_is_asked_for(logged, alice):
    client = Client(logged.make(), alice.token)
    answer = client.get("/me", headers={"X-Request-Id": "client-chosen-1"})
    (line,) = logged.lines()
    assert answer.headers["X-Request-Id"] == line["request_id"] == "client-chosen-1"
    wanted = {"method": "GET", "path": "/api/v1/me", "route": "/api/v1/me", "status": 200, "level": "info"}
    assert line | wanted == line and line["user"] == str(alice.user["_id"]) and line["ms"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])


def test_a_read_that_ends_in_the_front_is_logged_alike(logged, alice, name):
    channel = alice.post("/channels", {"handle": name, "name": "x"}).json["_id"]
    client = Client(logged.make())
    logged.text()
    answer = client.get(f"/channels/{channel}")
    (line,) = logged.lines()
    assert line["route"] == "/api/v1/channels/{id}" and line["request_id"] == answer.headers["X-Request-Id"]


def test_a_refusal_is_logged_with_its_reason(logged):
    Client(logged.make(access_log=0.0)).get("/me")
    (line,) = logged.lines()
    assert (line["status"], line["reason"]) == (401, "unauthenticated")


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.5, 50, 150), (1.0, 200, 200)])
def test_a_share_of_successes_is_logged(logged, share, least, most):
    client = Client(logged.make(access_log=share))
    for _ in range(200):
        client.get("/livez")
    assert least <= len(logged.lines()) <= most


def test_an_ill_formed_request_id_is_replaced(logged):
    client = Client(logged.make())
    for bad in ("short", "x" * 65, "spaces in it", "semi;colon;id"):
        assert client.get("/livez", headers={"X-Request-Id": bad}).headers["X-Request-Id"] != bad


def test_a_job_logs_under_the_id_of_the_request_that_owes_it(logged, name):
    app = logged.make()
    body = {"username": name, "email": f"{name}@example.org", "password": "four words and a lamp"}
    asked = Client(app).call("POST", "/auth/register", json=body, headers={"X-Request-Id": f"req-{name}"})
    assert asked.status_code == 201
    owed = app.services.db["jobs"].find_one({"request_id": f"req-{name}"})
    assert owed["type"] == "mail"
    logged.text()
    structlog.contextvars.clear_contextvars()
    run_job(owed["_id"], app.services, app.store)
    lines = [json.loads(line) for line in logged.text().splitlines()]
    assert lines and all(
        line["request_id"] == f"req-{name}" and line["job"] == str(owed["_id"]) for line in lines
    )
    assert "request_id" not in structlog.contextvars.get_contextvars()


def test_what_a_job_owes_carries_the_id_on(logged):
    app = logged.make()

    @job("chained")
    def work(run):
        run.finish(lambda session: run.owe("nothing", {"resource": "x", "id": None}, "chained:2", session))

    try:
        with structlog.contextvars.bound_contextvars(request_id="the-first-request"):
            first = app.services.jobs.record("chained", {"resource": "x", "id": None}, "chained:1")
        run_job(first["_id"], app.services, app.store)
    finally:
        del TYPES["chained"]
    assert app.services.db["jobs"].find_one({"key": "chained:2"})["request_id"] == "the-first-request"


def test_lines_of_libraries_have_the_same_shape(logged):
    logged.make()
    logging.getLogger("some.library").warning("it went %s", "wrong")
    (line,) = logged.lines("it went wrong")
    assert (line["level"], line["logger"]) == ("warning", "some.library")


class Secrets:
    """Everything of one account that no log may hold."""

    def __init__(self, client, name):
        self.email, self.password = f"{name}@example.org", f"canary {secrets.token_hex(12)}"
        self.body = {"username": name, "email": self.email, "password": self.password}
        assert client.post("/auth/register", self.body).status_code == 201
        tokens = client.post("/auth/login", {"login": self.email, "password": self.password}).json
        self.access, self.refresh = tokens["access_token"], tokens["refresh_token"]
        self.user = Client(client.app, self.access)
        made = self.user.post("/api_keys", {"name": "canary", "scopes": ["videos:read"]})
        assert made.status_code == 201, made.text
        self.key = made.json["key"]

    def found_in(self, text):
        words = {"email": self.email, "password": self.password, "access": self.access,
                 "refresh": self.refresh, "key": self.key}  # fmt: skip
        return [kind for kind, word in words.items() if word in text or word[-20:] in text]


@pytest.mark.parametrize("form", FORMATS)
def test_no_secret_is_logged_when_all_goes_well(logged, name, form):
    client = Client(logged.make(form))
    known = Secrets(client, name)
    Client(client.app, known.key).get("/videos")
    client.post("/auth/refresh", {"refresh_token": known.refresh})
    text = logged.text()
    assert "/api/v1/auth/login" in text and known.found_in(text) == []


@pytest.mark.parametrize("form", FORMATS)
def test_no_secret_is_logged_when_requests_are_refused(logged, name, form):
    client = Client(logged.make(form))
    known = Secrets(client, name)
    client.post("/auth/login", {"login": known.email, "password": known.password, "more": known.refresh})
    client.post("/auth/login", {"login": known.password, "password": known.password})
    client.post("/auth/refresh", {"refresh_token": known.access})
    client.post("/auth/register", known.body)
    client.get(f"/videos?where={known.access}", headers={"Authorization": f"Basic {known.key}"})
    client.get(f"/nowhere/{known.access}/{known.email}/{known.key}/{known.refresh}")
    text = logged.text()
    assert '"status": 4' in text or "status=4" in text
    assert known.found_in(text) == []


@pytest.mark.parametrize("form", FORMATS)
def test_no_secret_is_logged_when_something_breaks(logged, name, form, monkeypatch):
    app = logged.make(form)
    known, uri_word = Secrets(Client(app), name), f"p{name}"

    def refuse(password, *more):
        raise RuntimeError("out of order")

    def shout():
        raise RuntimeError(
            f"mongodb://root:{uri_word}@db {known.email} {known.key} {known.refresh} {known.access}"
        )

    with app.app_context():
        app.view_functions["health.livez"] = shout
    monkeypatch.setattr(app.services.passwords, "check", refuse)
    client = Client(app)
    assert client.post("/auth/login", {"login": known.email, "password": known.password}).status_code == 500
    assert client.get("/livez").status_code == 500
    text = logged.text()
    assert "Traceback" in text and "out of order" in text
    assert known.found_in(text) == [] and uri_word not in text


@pytest.mark.parametrize("form", FORMATS)
def test_a_field_named_like_a_secret_is_hidden(logged, form):
    logged.make(form)
    structlog.get_logger("x").info("careless", password="visible-canary", refresh_token="visible-canary")
    text = logged.text()
    assert "careless" in text and "visible-canary" not in text


def test_a_webhook_is_called_under_the_id_of_the_request_behind_it(logged, alice, name, ear):  # noqa: F811
    app = logged.make(webhook_private_targets=True)
    caller = Client(app, alice.token)
    assert caller.post("/webhooks", {"url": ear.url, "events": ["channels.created"]}).status_code == 201
    body = {"handle": name, "name": "x"}
    assert (
        caller.call("POST", "/channels", json=body, headers={"X-Request-Id": f"req-{name}"}).status_code
        == 201
    )
    structlog.contextvars.clear_contextvars()
    pass_on(app)
    (headers,) = [headers for headers, told in ear.heard if name.encode() in told]
    assert headers["X-Request-Id"] == f"req-{name}"


def tells_of_success(text, request_id):
    """Whether some line says that the processing of this request succeeded."""
    told = [json.loads(line) for line in text.splitlines() if request_id in line]
    return any(line.get("type") == "process" and "succeeded" in line["event"] for line in told)


@pytest.mark.slow
def test_a_worker_logs_json_alone_and_names_the_request_of_each_upload(tmp_path):
    with Platform(tmp_path / "data", LOG_FORMAT="json", LOG_LEVEL="INFO", ACCESS_LOG="1") as platform:
        alice = platform.sign_up("alice").make_channel("alice")
        video = alice.make_video("A film")
        assert alice.upload(video, headers={"X-Request-Id": "upload-of-alice"}).status_code == 202
        assert alice.await_end(video, seconds=90)["status"] == "READY"
        for part in ("worker", "beat"):
            text = platform.log(part)
            assert [line for line in text.splitlines() if not line.startswith("{")] == []
            lines = [json.loads(line) for line in text.splitlines()]
            assert lines and all(line["event"] and line["level"] and line["timestamp"] for line in lines)
        # The film is READY a moment before the worker has said so.
        poll(
            lambda: tells_of_success(platform.log("worker"), "upload-of-alice"), 20, "the worker's last word"
        )
        assert alice.token not in platform.log("api") + platform.log("worker")


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.org",
        "ü@münchen.example",
        "ada@münchen.example",
        "हिन्दी@उदाहरण.भारत",
        "用户@例子.广告",
        "😀@example.org",
    ],
)
@pytest.mark.parametrize("around", ["{}", "<{}>", 'to "{}" it', "C:\\{} or", "x\n{}\ny", "a\\{}", "\b{}"])
def test_an_address_of_any_letters_is_hidden_and_the_line_stays_json(address, around):
    line = json.dumps({"event": around.format(address)})
    masked = json.loads(log.mask(line))["event"]
    local, _, domain = address.partition("@")
    assert log.HIDDEN in masked and domain not in masked and local not in masked
    plain = log.mask(around.format(address))
    assert log.HIDDEN in plain and domain not in plain and local not in plain


@pytest.mark.parametrize("piece", ["\\u00fc", "ü", "\\\\", "\\n", "a@", "\\"])
def test_hiding_takes_one_pass_over_any_text(piece):
    begun = time.process_time()
    log.mask("@" + piece * 50_000)
    assert time.process_time() - begun < 1
