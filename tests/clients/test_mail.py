"""Mail: by a real SMTP conversation, or into a folder that only its owner reads."""

import socket
import threading
from dataclasses import replace

import pytest

from clients.mail import Mail


class Postbox:
    """An SMTP server of one conversation: enough of RFC 5321 to take a mail."""

    def __init__(self, greeting=b"220 ready", auth=b""):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.greeting, self.auth, self.lines = greeting, auth, []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rb") as lines:
            connection.sendall(self.greeting + b"\r\n")
            in_data = False
            for line in lines:
                self.lines.append(line.rstrip(b"\r\n").decode())
                word = line[:4].upper().strip()
                if in_data:
                    in_data = line != b".\r\n"
                    answer = b"" if in_data else b"250 taken\r\n"
                elif word == b"EHLO":
                    answer = b"250-here\r\n250 " + (self.auth or b"HELP") + b"\r\n"
                elif word == b"AUTH":
                    answer = b"235 welcome\r\n"
                elif word == b"DATA":
                    in_data, answer = True, b"354 go on\r\n"
                elif word == b"QUIT":
                    connection.sendall(b"221 bye\r\n")
                    return
                else:
                    answer = b"250 fine\r\n"
                connection.sendall(answer)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.thread.join(10)
        self.listener.close()


def test_a_mail_goes_out_by_smtp(settings):
    with Postbox() as box:
        mail = Mail(replace(settings, smtp_url=f"smtp://127.0.0.1:{box.port}"))
        mail.send("ada@example.org", "Hello", "A letter.\n")
    assert "mail FROM:<no-reply@localhost>" in [line.split(" size")[0] for line in box.lines]
    assert "rcpt TO:<ada@example.org>" in box.lines
    assert {"Subject: Hello", "To: ada@example.org", "Auto-Submitted: auto-generated", "A letter."} <= set(
        box.lines
    )


def test_smtp_signs_in_with_the_name_and_password_of_the_url(settings):
    with Postbox(auth=b"AUTH PLAIN") as box:
        Mail(replace(settings, smtp_url=f"smtp://us%40er:p%3Aw@127.0.0.1:{box.port}")).send(
            "a@example.org", "x", "x"
        )
    assert "AUTH PLAIN AHVzQGVyAHA6dw==" in box.lines


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
    with pytest.raises(ValueError, match="linefeed|newline|CR"):
        Mail(replace(settings, data_dir=tmp_path)).send(to, "x", "x")
