"""Receive one file of a multipart form in pieces: memory stays flat, what is wrong is refused as it shows."""

import base64
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from clients.metrics import UPLOAD_BYTES
from features.uploads.probe import SNIFF_BYTES, sniff
from machine.http.problem import Problem

PIECE_BYTES = 256 * 1024
# Room for headers and other fields beside the file.
FORM_BYTES = 128 * 1024
PARTS = 20
# After a refusal this much more is read, so that a client that is still sending sees the answer.
DRAIN_BYTES = 8 * 1024 * 1024
DRAIN_SECONDS = 5.0


class Receiver:
    """Writes the file to disk as it comes; checks kind, size and digest.

    `note` is told every so often how much there is, `look` of each piece's size: both may raise to stop here.
    """

    def __init__(
        self,
        target: BinaryIO,
        limit: int,
        note: Callable[[int], None],
        note_seconds: float,
        look: Callable[[int], None],
    ) -> None:
        self.target = target
        self.limit = limit
        self.note = note
        self.note_seconds = note_seconds
        self.look = look
        self.received = 0
        self.head = b""
        self.checked = False
        self.sha256 = hashlib.sha256()
        self.noted_at = time.monotonic()

    def write(self, data: bytes) -> None:
        """Take a piece of the file."""
        self.look(len(data))
        self.received += len(data)
        if self.received > self.limit:
            raise Problem(413, "file_too_large", f"At most {self.limit} bytes.", limit=self.limit)
        if not self.checked:
            self.head += data[: SNIFF_BYTES - len(self.head)]
            if len(self.head) >= SNIFF_BYTES:
                self.check_kind()
        self.sha256.update(data)
        self.target.write(data)
        UPLOAD_BYTES.labels("form").inc(len(data))
        if time.monotonic() - self.noted_at > self.note_seconds:
            self.note(self.received)
            self.noted_at = time.monotonic()

    def check_kind(self) -> None:
        """Refuse what does not begin like a video, whatever its name says."""
        self.checked = True
        if sniff(self.head) is None:
            raise Problem(415, "not_a_video")

    def finish(self, digest: bytes | None) -> str:
        """Check the whole file; return its SHA-256, hex."""
        if self.received == 0:
            raise Problem(400, "file_empty")
        if not self.checked:
            self.check_kind()
        if digest is not None and digest != self.sha256.digest():
            raise Problem(422, "digest_mismatch")
        return self.sha256.hexdigest()


def receive_file(request: Request, field: str, receiver: Receiver) -> str:
    """Read the form, hand the file of `field` to the receiver, and return its SHA-256, hex."""
    decoder = make_decoder(request)
    digest = read_digest(request.headers.get("Repr-Digest"))
    found = False
    taking = False
    try:
        for event in events(request, decoder, field):
            if isinstance(event, File | Field):
                if found and event.name == field:
                    raise Problem(400, "bad_request", f"Send one file in the field `{field}`.")
                taking = event.name == field
                found = found or taking
                if taking:
                    digest = read_digest(event.headers.get("Repr-Digest")) or digest
            elif isinstance(event, Data):
                if taking:
                    receiver.write(event.data)
                taking = taking and event.more_data
    except (Problem, OSError):  # a full disk is to be read about, too
        drain(request)
        raise
    if not found:
        raise Problem(400, "file_missing")
    return receiver.finish(digest)


def make_decoder(request: Request) -> MultipartDecoder:
    """Return a decoder for this request's form."""
    if request.mimetype != "multipart/form-data":
        raise Problem(
            415, "unsupported_media_type", "Send multipart/form-data with the file in the field `file`."
        )
    boundary = request.mimetype_params.get("boundary", "").encode()
    if not 1 <= len(boundary) <= 200:
        raise Problem(400, "bad_request", "The boundary of the form is missing.")
    if request.content_length is None:
        raise Problem(411, "length_required")
    return MultipartDecoder(boundary, max_form_memory_size=4 * PIECE_BYTES, max_parts=PARTS)


def events(request: Request, decoder: MultipartDecoder, field: str) -> Iterator[Event]:
    """Yield the form's events; 400 when it ends before its last boundary, 413 for too many parts.

    The part of `field` is a file with or without a name: curl and many phones send none.
    """
    other = 0
    in_file = False
    try:
        while True:
            piece = read_piece(request)
            decoder.receive_data(piece or None)
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                begins = isinstance(event, File) or (isinstance(event, Field) and event.name == field)
                in_file = begins or (in_file and isinstance(event, Data))
                if isinstance(event, Data) and not in_file:
                    other += len(event.data)
                    if other > FORM_BYTES:
                        raise Problem(413, "body_too_large", "The form has too many fields beside the file.")
                yield event
            if isinstance(event, Epilogue):
                return
    except RequestEntityTooLarge as error:
        raise Problem(413, "body_too_large", f"At most {PARTS} parts.") from error
    except ValueError as error:
        raise Problem(400, "file_truncated", "The form ended before its last boundary.") from error


def read_piece(request: Request) -> bytes:
    """Read on; 400 when the client went away or sent less than it declared."""
    try:
        return request.stream.read(PIECE_BYTES)
    except (ClientDisconnected, OSError) as error:
        raise Problem(400, "file_truncated") from error


def drain(request: Request) -> None:
    """Read a little of what is still coming."""
    until = time.monotonic() + DRAIN_SECONDS
    left = DRAIN_BYTES
    try:
        while left > 0 and time.monotonic() < until:
            piece = request.stream.read(PIECE_BYTES)
            if not piece:
                return
            left -= len(piece)
    except (ClientDisconnected, OSError):
        return


def read_digest(header: str | None) -> bytes | None:
    """Return the SHA-256 of a Repr-Digest header (RFC 9530), None without one; 400 if it is malformed."""
    found = re.search(r"(?:^|,)\s*sha-256=:([^:]*):", header or "", re.IGNORECASE)
    if not found:
        return None
    try:
        digest = base64.b64decode(found[1], validate=True)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise Problem(400, "bad_request", "Repr-Digest is not a SHA-256 in Base64.")
    return digest
