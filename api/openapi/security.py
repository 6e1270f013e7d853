"""How callers prove who they are, and which operations ask for it."""

from typing import Any

SCHEMES = {
    "accessToken": {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": "The access token of `POST /api/v1/auth/login`. Signing in on this page fills it in.",
    },
    "apiKey": {
        "type": "http", "scheme": "bearer", "bearerFormat": "API key",
        "description": "A key of `POST /api/v1/api_keys`. It reaches as far as its scopes.",
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
