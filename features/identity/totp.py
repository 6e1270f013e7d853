"""Two-factor sign-in with one-time codes (RFC 6238) and recovery codes; optional per user.

The secret is sealed with SECRET_KEY, recovery codes are stored as keyed hashes; both are spent by one
compare-and-swap, so that no code works twice.
"""

import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyotp
from bson import ObjectId

from features.identity.accounts import CREDENTIALS, read_credentials
from machine.access.sealing import keyed_digest, seal, unseal

if TYPE_CHECKING:
    from features.backend import Backend

ISSUER = "Marquee"
STEP_SECONDS = 30
# One step to either side, for clocks that differ (RFC 6238, 5.2).
DRIFT_STEPS = 1
RECOVERY_CODES = 10
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
SECRET, RECOVERY = "second factor", "recovery codes"


def begin(services: "Backend", held: Mapping[str, Any], username: str) -> dict[str, str] | None:
    """Make a secret, not in force before `confirm`; return it and the URI that apps scan as a QR code.

    `held`: the credentials by which the caller was asked for a code or not. None if the factor is another by now: a
    secret that was prepared without a code must never replace a factor.
    """
    secret = pyotp.random_base32()
    sealed = seal(services.settings.secret_key, SECRET, secret.encode())
    # A factor already in force stays until the new one is confirmed.
    same = {"_id": held.get("_id"), "totp": held.get("totp")}
    if not services.db[CREDENTIALS].update_one(same, {"$set": {"totp_pending": sealed}}).matched_count:
        return None
    uri = pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)
    return {"secret": secret, "otpauth_uri": uri}


def confirm(services: "Backend", user: ObjectId, code: str) -> list[str] | None:
    """Put the pending secret in force if the code proves it; return new recovery codes, shown once."""
    sealed = read_credentials(services, user).get("totp_pending")
    if sealed is None or not code.isascii():
        return None
    step = matching_step(services, sealed, code)
    if step is None:
        return None
    codes = ["-".join(random_word() for _ in range(3)) for _ in range(RECOVERY_CODES)]
    fields = {"totp": sealed, "totp_step": step, "recovery": [hash_code(services, one) for one in codes]}
    match = {"_id": user, "totp_pending": sealed}
    won = services.db[CREDENTIALS].update_one(match, {"$set": fields, "$unset": {"totp_pending": ""}})
    return codes if won.modified_count else None


def is_on(credentials: dict[str, Any]) -> bool:
    """Tell whether signing in takes a second factor."""
    return "totp" in credentials


def check(services: "Backend", user: ObjectId, code: str) -> bool:
    """Spend a one-time code or a recovery code; True if it was good and not used before."""
    if not code.isascii():
        return False
    credentials = read_credentials(services, user)
    step = matching_step(services, credentials["totp"], code)
    if step is not None:
        match = {"_id": user, "totp_step": {"$lt": step}}
        update: dict[str, Any] = {"$set": {"totp_step": step}}
    else:
        hashed = hash_code(services, code)
        match, update = {"_id": user, "recovery": hashed}, {"$pull": {"recovery": hashed}}
    return bool(services.db[CREDENTIALS].update_one(match, update).modified_count)


def end(services: "Backend", user: ObjectId) -> None:
    """Turn the second factor off."""
    gone = dict.fromkeys(("totp", "totp_step", "totp_pending", "recovery"), "")
    services.db[CREDENTIALS].update_one({"_id": user}, {"$unset": gone})


def matching_step(services: "Backend", sealed: bytes, code: str) -> int | None:
    """Return the time step whose code this is, or None."""
    secret = unseal(services.settings.secret_key, SECRET, sealed).decode()
    generator, now = pyotp.TOTP(secret), int(time.time()) // STEP_SECONDS
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        expected = generator.at(step * STEP_SECONDS)
        if secrets.compare_digest(expected.encode(), code.encode()):
            return step
    return None


def hash_code(services: "Backend", code: str) -> str:
    """Hash a recovery code for storage."""
    return keyed_digest(services.settings.secret_key, RECOVERY, code.strip().lower())


def random_word() -> str:
    """Return five random letters, none easily confused: three make 74 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(5))
