"""Encrypt small secrets before they are stored ("seal"), and make keyed hashes; both depend on SECRET_KEY."""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class CannotOpen(Exception):
    """What was sealed was sealed with another SECRET_KEY, or was changed."""


def derive(secret_key: str, purpose: str) -> bytes:
    """Derive a 32-byte key for one purpose (HKDF, RFC 5869), so that no two uses share a key."""
    hkdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"marquee {purpose}".encode())
    return hkdf.derive(secret_key.encode())


def seal(secret_key: str, purpose: str, plain: bytes) -> bytes:
    """Encrypt and authenticate `plain`."""
    return _box(secret_key, purpose).encrypt(plain)


def unseal(secret_key: str, purpose: str, sealed: bytes) -> bytes:
    """Return what `seal` was given; raise CannotOpen for another key or a changed text."""
    try:
        return _box(secret_key, purpose).decrypt(sealed)
    except InvalidToken:
        raise CannotOpen(f"the {purpose} cannot be opened with this SECRET_KEY") from None


def digest(token: str) -> str:
    """Hash a random token for storage. A plain hash is enough for 256 random bits; passwords need more."""
    return hashlib.sha256(token.encode()).hexdigest()


def keyed_digest(secret_key: str, purpose: str, text: str) -> str:
    """Hash something guessable (a recovery code), so that a stolen database alone does not give it away."""
    return hmac.new(derive(secret_key, purpose), text.encode(), hashlib.sha256).hexdigest()


def _box(secret_key: str, purpose: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derive(secret_key, purpose)))
