"""Who may call the API: the checks of cloud, key, time and signature, in Cloudinary's order."""

import hmac
import time

from flask import Request

from cloudinary_local.assets import utc
from cloudinary_local.errors import bad_request, unauthorized
from cloudinary_local.params import Fields
from cloudinary_local.settings import STALE_SECONDS, Settings
from cloudinary_local.signing import is_request_signed, string_to_sign


def check_cloud(settings: Settings, cloud: str) -> None:
    """Refuse a cloud name that is not ours."""
    if cloud != settings.cloud:
        raise unauthorized(f"Invalid cloud_name {cloud[:80]}")


def is_unsigned(fields: Fields) -> bool:
    """Tell whether a request carries no credentials at all."""
    return not fields.text("api_key") and not fields.text("signature")


def check_signed(
    settings: Settings, fields: Fields, skip: tuple[str, ...] = (), stale_ok: bool = False
) -> None:
    """Refuse a request whose key, time or signature is wrong."""
    if not fields.text("api_key"):
        raise bad_request("Missing required parameter - api_key")
    if not _same(fields.text("api_key"), settings.key):
        raise unauthorized(f"Invalid api_key {fields.text('api_key')[:80]}")
    if not stale_ok:
        check_time(fields.text("timestamp"))
    signature = fields.text("signature")
    if not signature:
        raise bad_request("Missing required parameter - signature")
    if not is_request_signed(fields, signature, settings.secret, skip):
        raise unauthorized(
            f"Invalid Signature {signature[:80]}. String to sign - '{string_to_sign(fields, skip)[:500]}'."
        )


def check_time(text: str) -> None:
    """Refuse a request signed more than an hour ago, or dated as far ahead."""
    if not text:
        raise bad_request("Missing required parameter - timestamp")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise bad_request(f"Invalid timestamp - {text[:40]}")
    if abs(time.time() - int(text)) > STALE_SECONDS:
        raise bad_request(f"Stale request - reported time is {utc(int(text))} which is more than 1 hour ago")


def check_basic(settings: Settings, request: Request) -> None:
    """Refuse an Admin API call without the account's key and secret."""
    sent = request.authorization
    if sent is None or sent.type != "basic":
        raise unauthorized("Missing credentials: the Admin API needs basic authentication")
    key_fits = _same(sent.username or "", settings.key)
    if not (_same(sent.password or "", settings.secret) and key_fits):
        raise unauthorized("Invalid credentials")


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(errors="replace"), right.encode())
