"""Send a file to Cloudinary in chunks, so that a later attempt goes on where an earlier one stopped."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudinary.uploader

CHUNK_BYTES = 20_000_000
CHUNK_SECONDS = 300.0


class Forgotten(Exception):
    """Cloudinary does not have the chunks of an earlier attempt any more."""


@dataclass(frozen=True)
class Sending:
    """An upload under way: its id at Cloudinary (X-Unique-Upload-Id), and how many bytes it has confirmed."""

    id: str
    sent: int = 0

    @classmethod
    def fresh(cls) -> "Sending":
        """Begin another one."""
        return cls(secrets.token_hex(16))


def send_chunks(
    path: Path, sending: Sending, note: Callable[[Sending, float], None], options: dict[str, Any]
) -> dict[str, Any]:
    """Send what is missing; return Cloudinary's description of the whole.

    `note` hears before each chunk what is confirmed and what share of the file that is; it may raise to stop.
    The last chunk is never noted: whether it arrived, the stored file tells.
    """
    size, answer = path.stat().st_size, {}
    with open(path, "rb") as file:
        file.seek(sending.sent)
        while file.tell() < size:
            start = file.tell()
            note(Sending(sending.id, start), start / size)
            chunk = file.read(CHUNK_BYTES)
            headers = {
                "X-Unique-Upload-Id": sending.id,
                "Content-Range": f"bytes {start}-{start + len(chunk) - 1}/{size}",
            }
            answer = cloudinary.uploader.upload_large_part(
                (path.name, chunk), http_headers=headers, timeout=CHUNK_SECONDS, **options
            )
    if sending.sent and not answer.get("version"):
        raise Forgotten
    return answer
