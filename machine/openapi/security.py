"""How callers prove who they are, and which operations ask for it."""

from typing import Any

from machine.openapi.words import CREDENTIALS

SCHEMES = {
    "accessToken": {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": CREDENTIALS["accessToken"],
    },
    "apiKey": {
        "type": "http", "scheme": "bearer", "bearerFormat": "API key",
        "description": CREDENTIALS["apiKey"],
    },
}  # fmt: skip


def security(access: str, *, session: bool = False, identify: bool = True) -> list[dict[str, Any]]:
    """Return who may call: `anyone` needs nothing; `session`: a person who signed in, not a key."""
    if not identify:
        return []
    ways: list[dict[str, Any]] = [{"accessToken": []}]
    if not session:
        ways.append({"apiKey": []})
    return [{}, *ways] if access == "anyone" else ways
