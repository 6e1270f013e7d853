"""Send mail by SMTP, or, where none is set, file it below the data directory for `python run.py mail`."""

import secrets
import smtplib
import ssl
from collections.abc import Iterable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from urllib.parse import unquote, urlsplit

from clients.clock import now
from settings import Settings

TIMEOUT_SECONDS = 15


class Mail:
    """The mail seam: one method, two ways out."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def folder(self) -> Path:
        """Where mails are filed without SMTP."""
        return self.settings.data_dir / "mail"

    def send(self, to: str, subject: str, text: str) -> None:
        """Send one plain mail. Raises OSError or smtplib.SMTPException; the job that asked tries again."""
        message = EmailMessage()
        message["From"] = self.settings.mail_from
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = format_datetime(now())
        message["Message-ID"] = make_msgid(domain=urlsplit(self.settings.public_url).hostname)
        # What a person did not ask for must not be answered by a machine (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        # Letters with tokens are ASCII; as they are, a token is never broken over two lines.
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

    def forget(self, addresses: Iterable[str], marks: Iterable[str]) -> None:
        """Delete the filed mails to any of these addresses, and those that say any of `marks`, wherever they went."""
        marks, known = tuple(marks), {address.casefold() for address in addresses}
        for path in self.folder.glob("*.eml"):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            if str(mail["To"]).casefold() in known or any(mark in mail.get_content() for mark in marks):
                path.unlink(missing_ok=True)

    def post(self, message: EmailMessage) -> None:
        """Hand the mail to the SMTP server, over TLS wherever it offers that."""
        url = urlsplit(self.settings.smtp_url)
        host, tls = url.hostname or "localhost", ssl.create_default_context()
        if url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, url.port or 465, timeout=TIMEOUT_SECONDS, context=tls
            )
        else:
            server = smtplib.SMTP(host, url.port or 587, timeout=TIMEOUT_SECONDS)
        with server:
            server.ehlo()
            if url.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=tls)
            if url.username:
                server.login(unquote(url.username), unquote(url.password or ""))
            server.send_message(message)
