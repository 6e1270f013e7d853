"""An SMTP server on a loopback port: enough of RFC 5321 and 6531 to take a mail, and to tell what it cannot take."""

import socket
import threading
from contextlib import suppress
from email import message_from_bytes, policy


class Postbox:
    """Answers one conversation after another; `extensions` are the lines of its EHLO, which may change meanwhile."""

    def __init__(self, *extensions):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.extensions, self.lines, self.raw, self.conversations = extensions, [], [], 0
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.conversations += 1
                with connection, connection.makefile("rb") as lines:
                    connection.sendall(b"220 ready\r\n")
                    self.talk(connection, lines)

    def talk(self, connection, lines):
        in_data = False
        for line in lines:
            self.lines.append(line.rstrip(b"\r\n").decode())
            word = line[:4].upper().strip()
            if in_data:
                in_data = line != b".\r\n"
                self.raw[-1] += line if in_data else b""
                answer = b"" if in_data else b"250 taken\r\n"
            elif word == b"EHLO":
                told = [b"here", *(one.encode() for one in self.extensions)]
                answer = b"".join(b"250-%s\r\n" % one for one in told) + b"250 HELP\r\n"
            elif word == b"AUTH":
                answer = b"235 welcome\r\n"
            elif word == b"DATA":
                in_data, answer = True, b"354 go on\r\n"
                self.raw.append(b"")
            elif word == b"QUIT":
                connection.sendall(b"221 bye\r\n")
                return
            elif not line.isascii() and "SMTPUTF8" not in self.extensions:
                answer = b"553 no such letters here\r\n"
            else:
                answer = b"250 fine\r\n"
            connection.sendall(answer)

    @property
    def mails(self):
        """What was taken, oldest first."""
        return [message_from_bytes(one, policy=policy.default) for one in self.raw]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
