"""`python run.py keys` and `python run.py mail`."""

import pytest
from click.testing import CliRunner

from clients.mail import Mail
from features.identity.signing_keys import COLLECTION
from run import cli


@pytest.fixture
def run(app, settings, monkeypatch):
    app.services.db[COLLECTION].drop()
    for name in ("mongo_uri", "redis_url", "secret_key", "data_dir", "public_url", "cloudinary_url"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def test_list_says_that_there_are_no_keys_yet(run):
    assert "No keys yet" in run("keys", "list").output


def test_rotate_makes_the_first_keys_and_then_turns_them(run):
    first = run("keys", "rotate").output.split()[-1]
    second = run("keys", "rotate").output.split()[-1]
    listed = run("keys", "list").output.splitlines()
    states = {line.split()[0]: line.split()[1] for line in listed}
    assert first != second and states[first] == "retired" and states[second] == "active"
    assert sorted(states.values()) == ["active", "next", "retired"]


def test_list_shows_until_when_a_retired_key_verifies(run):
    run("keys", "rotate")
    run("keys", "rotate")
    (line,) = [line for line in run("keys", "list").output.splitlines() if " retired " in line]
    assert " until " in line and "(made for development)" in line


def test_mail_shows_the_letters_to_one_address(run, settings):
    mail = Mail(settings)
    mail.send("ada@example.org", "For Ada", "hello Ada\n")
    mail.send("bob@example.org", "For Bob", "hello Bob\n")
    output = run("mail", "--to", "ada@example.org").output
    assert "For Ada" in output and "hello Ada" in output and "Bob" not in output


def test_mail_refuses_where_mails_go_out_by_smtp(run, monkeypatch):
    monkeypatch.setenv("SMTP_URL", "smtp://127.0.0.1:25")
    answer = run("mail")
    assert answer.exit_code == 1 and "SMTP_URL" in answer.output
