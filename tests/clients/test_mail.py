"""Mail: by a real SMTP conversation, or into a folder that only its owner reads."""

from dataclasses import replace

import pytest

from clients.mail import CannotCarry, Mail
from tests.postbox import Postbox

BEYOND_ASCII = "\u00fc@m\u00fcnchen.example"


def test_a_mail_goes_out_by_smtp(settings):
    with Postbox() as box:
        mail = Mail(replace(settings, smtp_url=box.url))
        mail.send("ada@example.org", "Hello", "A letter.\n")
    assert "mail FROM:<no-reply@localhost>" in [line.split(" size")[0] for line in box.lines]
    assert "rcpt TO:<ada@example.org>" in box.lines
    assert {"Subject: Hello", "To: ada@example.org", "Auto-Submitted: auto-generated", "A letter."} <= set(
        box.lines
    )


def test_smtp_signs_in_with_the_name_and_password_of_the_url(settings):
    with Postbox("AUTH PLAIN") as box:
        url = box.url.replace("//", "//us%40er:p%3Aw@")
        Mail(replace(settings, smtp_url=url)).send("a@example.org", "x", "x")
    assert "AUTH PLAIN AHVzQGVyAHA6dw==" in box.lines


@pytest.mark.parametrize("extensions", [(), ("SMTPUTF8",)])
def test_domain_is_sent_in_ascii_to_every_server(settings, extensions):
    with Postbox(*extensions) as box:
        Mail(replace(settings, smtp_url=box.url)).send("ada@m\u00fcnchen.example", "x", "x")
    assert "rcpt TO:<ada@xn--mnchen-3ya.example>" in box.lines
    assert "To: ada@xn--mnchen-3ya.example" in box.lines
    assert not any("SMTPUTF8" in line for line in box.lines)


def test_address_beyond_ascii_goes_out_by_smtputf8(settings):
    with Postbox("SMTPUTF8", "8BITMIME") as box:
        mail = Mail(replace(settings, smtp_url=box.url))
        assert mail.carries(BEYOND_ASCII)
        mail.send(BEYOND_ASCII, "Hello", "A letter.\n")
    assert "rcpt TO:<\u00fc@xn--mnchen-3ya.example>" in box.lines
    assert any("SMTPUTF8" in line for line in box.lines if line.startswith("mail FROM"))
    assert "To: \u00fc@xn--mnchen-3ya.example" in box.lines


def test_server_that_cannot_take_it_is_said_to_be_so_and_not_sent_anything(settings):
    with Postbox("8BITMIME") as box:
        mail = Mail(replace(settings, smtp_url=box.url))
        assert not mail.carries(BEYOND_ASCII) and mail.carries("ada@m\u00fcnchen.example")
        with pytest.raises(CannotCarry):
            mail.send(BEYOND_ASCII, "Hello", "A letter.\n")
    assert not any(line.startswith(("mail", "rcpt")) for line in box.lines)


def test_server_is_asked_once_by_how_many_ever_and_only_for_what_not_every_one_takes(settings):
    with Postbox("SMTPUTF8") as box:
        mail = Mail(replace(settings, smtp_url=box.url))
        assert all(mail.carries("ada@example.org") for _ in range(3)) and box.conversations == 0
        assert all(mail.carries(BEYOND_ASCII) for _ in range(3)) and box.conversations == 1


def test_server_that_does_not_answer_refuses_no_address(settings):
    assert Mail(replace(settings, smtp_url="smtp://127.0.0.1:1")).carries(BEYOND_ASCII)


def test_mail_to_an_address_beyond_ascii_is_filed_read_and_forgotten(settings, tmp_path):
    mail = Mail(replace(settings, data_dir=tmp_path))
    assert mail.carries(BEYOND_ASCII)
    mail.send(BEYOND_ASCII, "Hello", "one\n")
    mail.send("ada@example.org", "Hello", "two\n")
    assert [one["To"] for one in mail.filed()] == ["\u00fc@xn--mnchen-3ya.example", "ada@example.org"]
    mail.forget(["U\u0308@M\u00dcNCHEN.example"], [])
    assert [one["To"] for one in mail.filed()] == ["ada@example.org"]


def test_letter_with_titles_beyond_ascii_goes_out(settings, tmp_path):
    mail = Mail(replace(settings, data_dir=tmp_path))
    mail.send("ada@example.org", "x", "- Zw\u00f6lf F\u00fcchse\n")
    (one,) = mail.filed()
    assert one.get_content() == "- Zw\u00f6lf F\u00fcchse\n"


def test_a_server_that_is_not_there_is_an_error_for_the_job_to_try_again(settings):
    with pytest.raises(OSError):
        Mail(replace(settings, smtp_url="smtp://127.0.0.1:1")).send("a@example.org", "x", "x")


def test_without_smtp_a_mail_is_filed_for_its_owner_only(settings, tmp_path):
    mail = Mail(replace(settings, data_dir=tmp_path))
    mail.send("ada@example.org", "First", "one\n")
    mail.send("ada@example.org", "Second", "two\n")
    assert [one["Subject"] for one in mail.filed()] == ["First", "Second"]
    assert {path.stat().st_mode & 0o777 for path in mail.folder.iterdir()} == {0o600}


@pytest.mark.parametrize("to", ["a@example.org\r\nBcc: b@example.org", "a@example.org\nX: y"])
def test_an_address_cannot_add_headers(settings, tmp_path, to):
    with pytest.raises(ValueError, match="linefeed|newline|CR|no e-mail address"):
        Mail(replace(settings, data_dir=tmp_path)).send(to, "x", "x")
