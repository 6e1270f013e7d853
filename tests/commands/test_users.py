"""`run.py users`: what an operator does to accounts works at once, is in the audit log, and refuses in one sentence."""

import json

import pytest
from click.testing import CliRunner

from run import cli
from tests.conftest import Client, sign_up
from tests.identity import PASSWORD


@pytest.fixture
def run(app, monkeypatch):
    for name, value in (
        ("MONGO_URI", f"{app.settings.mongo_uri}"),
        ("REDIS_URL", app.settings.redis_url),
    ):
        monkeypatch.setenv(name, value)

    def call(*words):
        return CliRunner().invoke(cli, ["users", *words])

    return call


def read(said):
    assert said.exit_code == 0, said.output
    return json.loads(said.output.strip().splitlines()[-1])


def test_account_is_shown_without_a_secret(app, run, name):
    user = sign_up(app, name)
    told = read(run("show", name.upper(), "--json"))
    assert told == {
        "_id": str(user.user["_id"]),
        "username": name,
        "role": "user",
        "status": "active",
        "email_verified": False,
        "_created": told["_created"],
        "sessions": 1,
    }
    assert f"user {name}, active" in run("show", name).output


def test_an_operator_gives_a_name_that_nobody_may_take(app, run):
    words = ("--username", "support", "--email", "support@example.org", "--password", PASSWORD, "--json")
    assert read(run("create", *words))["username"] == "support"
    login = Client(app).post("/auth/login", {"login": "support", "password": PASSWORD}).json
    holder = Client(app, login["access_token"])
    assert holder.patch("/me", {"username": "support", "display_name": "Ada"}).status_code == 200


def test_role_and_status_change_at_once_and_are_in_the_log(app, run, name):
    user = sign_up(app, name)
    assert user.get("/users").status_code == 200
    assert read(run("change", name, "--status", "suspended", "--json"))["status"] == "suspended"
    assert user.get("/me").status_code in (401, 403)
    assert (
        read(run("change", name, "--status", "active", "--role", "moderator", "--json"))["role"]
        == "moderator"
    )
    assert user.get("/me").status_code == 401, "what was ended does not come back"
    again = Client(app).post("/auth/login", {"login": name, "password": PASSWORD}).json
    assert Client(app, again["access_token"]).get("/me").json["role"] == "moderator"
    logged = app.services.db["audit_log"].find({"target.id": user.user["_id"]}).sort("_id", 1)
    assert [(one["action"], one["detail"]["to"]) for one in logged] == [
        ("status_changed", "suspended"),
        ("role_changed", "moderator"),
        ("status_changed", "active"),
    ]


def test_new_administrator_is_in_the_log(app, run, name):
    words = ["--username", name, "--email", f"{name}@example.org", "--password", "four words and a lamp"]
    made = read(run("create", *words, "--role", "admin", "--json"))
    (entry,) = (
        app.services.db["audit_log"]
        .find({"target.id": {"$exists": True}, "detail.to": "admin"})
        .sort("_id", -1)
        .limit(1)
    )
    assert str(entry["target"]["id"]) == made["_id"] and entry["detail"] == {"from": None, "to": "admin"}


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["show", "nobody-at-all"], 1, "there is no account nobody-at-all"),
        (["change", "nobody-at-all", "--role", "user"], 1, "there is no account nobody-at-all"),
        (["change", "nobody-at-all"], 2, "say what to change"),
        (["change", "nobody-at-all", "--role", "king"], 2, "'king' is not one of"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run, words, status, sentence):
    said = run(*words)
    assert said.exit_code == status and sentence in said.output
