"""Every signature of the protocol: requests, answers, delivery URLs, auth tokens and webhooks."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from urllib.parse import unquote

UNSIGNED_FIELDS = frozenset({"file", "api_key", "signature", "resource_type", "cloud_name"})
TOKEN_NAME = "__cld_token__"
_TOKEN_UNSAFE = re.compile(r"""([ "#%&'/:;<=>?@\[\\\]^`{|}~]+)""")


def string_to_sign(fields: Mapping[str, str | list[str]], skip: Iterable[str] = ()) -> str:
    """Join the signed fields of a request, as signature version 2 prescribes."""
    left_out = UNSIGNED_FIELDS.union(skip)
    pairs = []
    for name, value in fields.items():
        text = ",".join(value) if isinstance(value, list) else value
        if text and name not in left_out:
            pairs.append(f"{name}={text}".replace("&", "%26"))
    return "&".join(sorted(pairs))


def sign_fields(fields: Mapping[str, str | list[str]], secret: str, sha256: bool = False) -> str:
    """Sign request fields; hex SHA-1, or SHA-256 where the account asks for it."""
    digest = hashlib.sha256 if sha256 else hashlib.sha1
    return digest((string_to_sign(fields) + secret).encode()).hexdigest()


def is_request_signed(
    fields: Mapping[str, str | list[str]], signature: str, secret: str, skip: Iterable[str] = ()
) -> bool:
    """Check a request's signature; its length tells the algorithm."""
    digest = hashlib.sha256 if len(signature) == 64 else hashlib.sha1
    expected = digest((string_to_sign(fields, skip) + secret).encode()).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


def sign_answer(public_id: str, version: int, secret: str) -> str:
    """Sign an upload's answer; the SDK checks it with version 1 of the rules."""
    return hashlib.sha1(f"public_id={public_id}&version={version}{secret}".encode()).hexdigest()


def sign_delivery(path: str, secret: str) -> str:
    """Sign `<transformation>/<public_id>.<ext>` for a delivery URL; 8 characters."""
    return _delivery_digest(path, secret, "sha1")[:8]


def is_delivery_signed(path: str, signature: str, secret: str) -> bool:
    """Check a delivery signature: 8 characters of SHA-1 or SHA-256, or the long form of 32."""
    candidates = [_delivery_digest(path, secret, "sha256")[:32]]
    if len(signature) == 8:
        candidates = [_delivery_digest(path, secret, name)[:8] for name in ("sha1", "sha256")]
    return any(hmac.compare_digest(known.encode(), signature.encode()) for known in candidates)


def _delivery_digest(path: str, secret: str, algorithm: str) -> str:
    digest = hashlib.new(algorithm, (path + secret).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()


def sign_webhook(body: bytes, timestamp: int, secret: str) -> str:
    """Sign a webhook: hex SHA-1 of body, timestamp and secret, one after another."""
    return hashlib.sha1(body + str(timestamp).encode() + secret.encode()).hexdigest()


def is_token_valid(token: str, paths: Iterable[str], key: str, address: str) -> bool:
    """Check an auth token for any of the paths: HMAC first, then time, address and scope.

    `token` is the text after `__cld_token__=`, still percent-encoded as the SDK made it.
    """
    message, found, signature = token.rpartition("~hmac=")
    if not found:
        return False
    claims = dict(part.split("=", 1) for part in message.split("~") if "=" in part)
    paths = list(paths)
    if "acl" in claims:
        signed = _token_digest(message, key) == signature
        patterns = [unquote(one) for one in claims["acl"].split("!")]
        scoped = any(fnmatchcase(path, _literal_brackets(one)) for path in paths for one in patterns)
    else:
        scoped = True
        signed = any(
            hmac.compare_digest(_token_digest(f"{message}~url={_escape(path)}", key), signature)
            for path in paths
        )
    return signed and scoped and _is_in_time(claims) and claims.get("ip", address) == address


def _is_in_time(claims: Mapping[str, str]) -> bool:
    now = time.time()
    try:
        return int(claims.get("st", "0")) <= now < int(claims["exp"])
    except (KeyError, ValueError):
        return False


def _token_digest(message: str, key: str) -> str:
    return hmac.new(bytes.fromhex(key), message.encode(), hashlib.sha256).hexdigest()


def _literal_brackets(pattern: str) -> str:
    # Only * and ? are wildcards in an access list; fnmatch also knows [sets].
    return pattern.replace("[", "[[]")


def _escape(path: str) -> str:
    return _TOKEN_UNSAFE.sub(lambda found: "".join(f"%{byte:02x}" for byte in found[0].encode()), path)
