"""Rendering: Eve's seam for what a write answers."""

from typing import Any

from eve.render import Renderer
from xxhash import xxh3_64_hexdigest

from machine.http.json_text import dump


def digest(body: bytes) -> str:
    """Return the digest that validates an answer, 16 hex digits. It guards against chance, not against forgery."""
    return xxh3_64_hexdigest(body)


class JSONRenderer(Renderer):
    """Eve's renderer seam."""

    mime = ("application/json",)

    def render(self, data: Any) -> bytes:
        """Render what a write answers."""
        return dump(data)
