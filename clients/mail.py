"""Send mail by SMTP, or, where none is set, file it below the data directory for `python run.py mail`."""

import secrets
import smtplib
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from urllib.parse import unquote, urlsplit

from clients.addresses import beyond_ascii, key, wire
from clients.clock import now
from settings import Settings

TIMEOUT_SECONDS = 15
# Whoever waits for the answer is a request.
ASK_SECONDS = 3
# How long it is believed what the server can do, and that it did not answer.
KNOWN_SECONDS, SILENT_SECONDS = 600, 30


class CannotCarry(Exception):
    """The server does not take addresses like this one; trying again does not help."""


class Mail:
    """The mail seam: one method, two ways out."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.asking = threading.Lock()
        self.takes_utf8, self.known_until = True, 0.0

    @property
    def folder(self) -> Path:
        """Where mails are filed without SMTP."""
        return self.settings.data_dir / "mail"

    def send(self, to: str, subject: str, text: str) -> None:
        """Send one plain mail.

        Raises OSError or smtplib.SMTPException, when the job that asked tries again, and CannotCarry.
        """
        message = EmailMessage(policy.default.clone(utf8=beyond_ascii(to)))
        message["From"] = self.settings.mail_from
        message["To"] = wire(to)
        message["Subject"] = subject
        message["Date"] = format_datetime(now())
        message["Message-ID"] = make_msgid(domain=urlsplit(self.settings.public_url).hostname)
        # What a person did not ask for must not be answered by a machine (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        # Letters are ASCII; as they are, a token is never broken over two lines. Titles in a digest may be anything.
        message.set_content(text, cte="7bit" if text.isascii() else "quoted-printable")
        if self.settings.smtp_url:
            self.post(message)
        else:
            self.file(message)

    def file(self, message: EmailMessage) -> None:
        """Write the mail into the folder; its name sorts by time. Only its owner may read it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{now():%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}"
        unfinished = self.folder / f"{name}.part"
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(message.as_bytes())
        unfinished.rename(self.folder / f"{name}.eml")

    def filed(self) -> Iterator[EmailMessage]:
        """Yield the mails in the folder, oldest first."""
        for path in sorted(self.folder.glob("*.eml")):
            yield message_from_bytes(path.read_bytes(), policy=policy.default)

    def forget(self, to: Iterable[str], marks: Iterable[str]) -> None:
        """Delete the filed mails to any of these addresses, and those that say any of `marks`, wherever they went."""
        marks, known = tuple(marks), {key(one) for one in to}
        for path in self.folder.glob("*.eml"):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            if key(str(mail["To"])) in known or any(mark in mail.get_content() for mark in marks):
                path.unlink(missing_ok=True)

    def carries(self, address: str) -> bool:
        """Tell whether mail to an address can go out, as far as is known: the server is asked, and remembered.

        One that does not answer now refuses nobody: the letter's job will see.
        """
        if not self.settings.smtp_url or not beyond_ascii(address):
            return True
        with self.asking:
            if time.monotonic() > self.known_until:
                self.ask()
            return self.takes_utf8

    def ask(self) -> None:
        """Learn from the server whether it takes addresses beyond ASCII (RFC 6531)."""
        try:
            with self.connected(ASK_SECONDS) as server:
                server.ehlo_or_helo_if_needed()
                self.takes_utf8, seconds = server.has_extn("smtputf8"), KNOWN_SECONDS
        except (OSError, smtplib.SMTPException):
            self.takes_utf8, seconds = True, SILENT_SECONDS
        self.known_until = time.monotonic() + seconds

    def post(self, message: EmailMessage) -> None:
        """Hand the mail to the SMTP server."""
        with self.connected(TIMEOUT_SECONDS) as server:
            try:
                server.send_message(message)
            except smtplib.SMTPNotSupportedError as error:
                raise CannotCarry("the mail server takes no addresses beyond ASCII") from error

    @contextmanager
    def connected(self, seconds: float) -> Iterator[smtplib.SMTP]:
        """Yield a conversation with the SMTP server, over TLS wherever it offers that."""
        url = urlsplit(self.settings.smtp_url)
        host, tls = url.hostname or "localhost", ssl.create_default_context()
        if url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, url.port or 465, timeout=seconds, context=tls)
        else:
            server = smtplib.SMTP(host, url.port or 587, timeout=seconds)
        with server:
            server.ehlo()
            if url.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=tls)
            if url.username:
                server.login(unquote(url.username), unquote(url.password or ""))
            yield server
