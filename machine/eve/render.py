"""Rendering: Eve's seam for what a write answers."""

from typing import Any

from eve.render import Renderer

from machine.http.json_text import dump


class JSONRenderer(Renderer):
    """Eve's renderer seam."""

    mime = ("application/json",)

    def render(self, data: Any) -> bytes:
        """Render what a write answers."""
        return dump(data)
