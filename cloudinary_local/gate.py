"""Who may fetch a file: the delivery signature and the auth token."""

import re
from urllib.parse import unquote

from flask import Request

from cloudinary_local.assets import Asset
from cloudinary_local.errors import unauthorized
from cloudinary_local.settings import Settings
from cloudinary_local.signing import TOKEN_NAME, is_delivery_signed, is_token_valid

_TOKEN = re.compile(rf"(?:^|[;&]\s*){TOKEN_NAME}=([^;&\s]+)")


def check_access(settings: Settings, request: Request, asset: Asset, signature: str, signed_path: str) -> str:
    """Refuse with 401 unless the asset is public, or the URL is signed, or a token opens it.

    Return the query text that a playlist must pass on to its parts ('' if there is none).
    """
    if signature and not is_delivery_signed(signed_path, signature, settings.secret):
        raise unauthorized(f"Invalid signature {signature[:40]}")
    token = query_token(request)
    carried = f"{TOKEN_NAME}={token}" if token else ""
    if not asset.is_guarded or signature:
        return carried
    for text in filter(None, (token, _cookie_token(request))):
        if _opens(settings, request, text):
            return carried
    raise unauthorized("Resource is protected: a valid signature or token is required")


def query_token(request: Request) -> str:
    """Return the token of the query as it was sent, still percent-encoded."""
    found = _TOKEN.search(request.query_string.decode("latin-1"))
    return found[1] if found else ""


def _cookie_token(request: Request) -> str:
    found = _TOKEN.search(request.headers.get("Cookie", ""))
    return found[1].strip('"') if found else ""


def _opens(settings: Settings, request: Request, token: str) -> bool:
    whole = raw_path(request)
    # An account with a domain of its own signs paths without the cloud name.
    paths = {whole, unquote(whole), whole.removeprefix(f"/{settings.cloud}")}
    address = request.remote_addr or ""
    # Clients upper-case the escapes, or escape the token once more; what was signed is lower case.
    texts = {_lower_escapes(token), _lower_escapes(unquote(token))}
    return any(is_token_valid(text, paths, settings.token_key, address) for text in texts)


def _lower_escapes(token: str) -> str:
    return re.sub(r"%[0-9A-Fa-f]{2}", lambda found: found[0].lower(), token)


def raw_path(request: Request) -> str:
    """Return the path exactly as the client sent it: signatures cover that text."""
    raw = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.path)
    if raw.startswith(("http://", "https://")):
        raw = "/" + raw.split("/", 3)[3] if raw.count("/") > 2 else "/"
    return raw.partition("?")[0].partition("#")[0]
